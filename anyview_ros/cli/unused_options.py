"""Options that would do nothing beside the others are refused, so that nobody waits for them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from anyview_ros.cli.commands import parser_of
from anyview_ros.errors import AnyviewError


def refuse_unused(args: argparse.Namespace, command: str, names: Sequence[str], why: str) -> None:
    """Refuse options of a command, by their names in `args`, that have not their defaults.

    Args:
        why: what they are for, and what is there instead.

    Raises:
        AnyviewError: `wrong_option`.
    """
    for action in parser_of(command)._actions:
        usual = action.default
        if isinstance(usual, str) and callable(action.type):
            usual = action.type(usual)
        if action.dest in names and getattr(args, action.dest) != usual:
            raise AnyviewError("wrong_option", f"{action.option_strings[0]} is for {why}")
