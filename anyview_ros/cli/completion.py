"""`anyview completion bash|zsh`: a script with which a shell completes commands and options."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from anyview_ros.augment.stores import place
from anyview_ros.cli.commands import whole_parser
from anyview_ros.cli.parser import actions_of

SHELLS = ("bash", "zsh")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS)
    parser.epilog = 'in ~/.bashrc: eval "$(anyview completion bash)"; zsh: the same in ~/.zshrc'


def run(args: Namespace) -> int:
    import shtab

    parser = whole_parser()
    for action in actions_of(parser):
        if action.type in (Path, place):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=args.shell))
    return 0
