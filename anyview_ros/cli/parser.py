"""Arguments of a command: defaults are shown once, and a typo is told the nearest word."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from anyview_ros.nearest import did_you_mean


class HelpFormatter(argparse.HelpFormatter):
    """Appends the default of an option to its help, where there is one to speak of."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help or ""
        if not action.option_strings or "default" in text or not shown_default(action):
            return text
        return f"{text} (default: {shown_default(action).replace('%', '%%')})"


def shown_default(action: argparse.Action) -> str:
    """Return the default of an argument as one types it; empty for none."""
    default = action.default
    if default is None or default is False or default == argparse.SUPPRESS:
        return ""
    if isinstance(default, tuple | list):
        separator = " " if action.nargs else ","
        return separator.join(map(_shown, default))
    return _shown(default)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations: a new option must not change what an old line means."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", HelpFormatter)
        super().__init__(**options, allow_abbrev=False)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, or end with status 2 and one line that names the nearest option."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(unknown_words(unknown, self))
        return parsed

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {message}\nsee '{self.prog} --help'", file=sys.stderr)
        sys.exit(2)


def unknown_words(words: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """Return what to say about words that no argument takes."""
    options = [option for action in actions_of(parser) for option in action.option_strings]
    first = next((word for word in words if word.startswith("-")), words[0])
    return f"unknown argument '{first}'{did_you_mean(first.partition('=')[0], options)}"


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of those inside of it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from actions_of(inner)
