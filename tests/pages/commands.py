"""docs/commands.md: the command line, from the parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from anyview_ros.cli.commands import GROUPS, command, parser_of
from anyview_ros.cli.parser import shown_default

HEAD = """# Commands

<!-- made by `python -m tests.pages`: edit the commands in anyview_ros/cli, not this file -->

`./anyview check` in a checkout, `ros2 run anyview_ros anyview check` beside a sourced ROS 2,
`anyview check` after `pip install`, and so on. Status 0: done; 1: an error, by its
[code](errors.md), or a fault that was looked for; 2: arguments; 130: interrupted. Progress is shown
on terminals only. `--json` prints one object on stdout; its keys stay.

A shell completes commands and options after `eval "$(anyview completion bash)"`, or `zsh`.
"""


def page() -> str:
    lines = [HEAD]
    for group, commands in GROUPS.items():
        lines += [f"## {group.capitalize()}", ""]
        for name, text in commands.items():
            lines += [f"### `anyview {name}`", "", sentence(text), ""]
            lines += section(name, parser_of(name))
    return "\n".join(lines).rstrip() + "\n"


def section(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the arguments of a command, of its kinds, and the keys of its JSON."""
    kinds = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for kind, inner in kinds[0].choices.items() if kinds else ():
        yield from (f"#### `anyview {name} {kind}`", "", sentence(inner.description), "")
        yield from table(inner)
    if not kinds:
        yield from table(parser)
    if parser.epilog:
        yield from (sentence(parser.epilog), "")
    if keys := getattr(command(name), "JSON_KEYS", None):
        yield from ("| key of `--json` | meaning |", "| --- | --- |")
        yield from (f"| `{key}` | {cell(meaning)} |" for key, meaning in keys.items())
        yield ""


def table(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from ("| argument | default | meaning |", "| --- | --- | --- |")
    for action in parser._actions:
        if action.dest != "help":
            default = shown_default(action)
            words = f"one of {', '.join(action.choices)}" if action.choices else ""
            meaning = "; ".join(filter(None, (action.help, words)))
            need = " (needed)" if action.required and action.option_strings else ""
            shown = f"`{default}`" if default else ""
            yield f"| `{spelled(action)}`{need} | {shown} | {cell(meaning)} |"
    yield ""


def spelled(action: argparse.Action) -> str:
    """Return an argument as one types it."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    value = action.metavar or action.dest.upper()
    if action.nargs == 0:
        value = ""
    elif isinstance(value, tuple):
        value = " ".join(value)
    return f"{', '.join(action.option_strings)} {value}".strip()


def sentence(text: str | None) -> str:
    """Return words as a sentence."""
    assert text
    end = "" if text[-1] in ".?" else "."
    return f"{text[0].upper()}{text[1:]}{end}"


def cell(text: str) -> str:
    return text.replace("|", "\\|")
