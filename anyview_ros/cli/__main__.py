"""`anyview COMMAND ...`: each command is a module beside this one, imported when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from anyview_ros import __version__
from anyview_ros.cli.commands import COMMANDS, command, overview, parser_of
from anyview_ros.cli.printable import printable
from anyview_ros.cli.surroundings import find_room, library_missing, named
from anyview_ros.errors import AnyviewError
from anyview_ros.nearest import did_you_mean
from anyview_ros.quiet_interrupt import ended_quietly


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status.

    0 = done, 1 = a named error or a fault that was looked for, 2 = arguments, 130 = interrupted.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help", "--version"):
        print(f"anyview {__version__}" if name == "--version" else overview())
        return 0
    if name not in COMMANDS:
        known = did_you_mean(name, COMMANDS) or "; 'anyview --help' lists them"
        print(f"anyview: error: there is no command '{name}'{known}", file=sys.stderr)
        return 2
    find_room(os.environ)
    try:
        return _run(name, rest)
    except AnyviewError as error:
        print(printable(f"error [{error.code}]: {error}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(name: str, arguments: Sequence[str]) -> int:
    try:
        with ended_quietly():
            parser = parser_of(name)
        return int(command(name).run(parser.parse_args(arguments)))
    except ModuleNotFoundError as error:
        raise library_missing(error) from None
    except OSError as error:
        raise named(error) from None


if __name__ == "__main__":
    sys.exit(main())
