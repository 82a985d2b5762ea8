"""`./anyview test`: scripts/run_tests.py of a checkout, with what tests need beside it."""

from __future__ import annotations

from argparse import REMAINDER, ArgumentParser, Namespace

from anyview_ros.errors import AnyviewError


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--both", action="store_true", help="run over ROS 2 Jazzy, then over Kilted"
    )
    parser.add_argument(
        "--long", action="store_true", help="run what takes minutes, and is left out otherwise"
    )
    parser.add_argument(
        "pytest",
        nargs=REMAINDER,
        help="arguments for pytest, which then runs alone; all checks if there are none",
    )


def run(args: Namespace) -> int:
    """Say where the tests are: scripts/launcher.py runs them, and does not come here."""
    raise AnyviewError(
        "no_tests", "tests are run in a checkout of anyview_ros, by its script: ./anyview test"
    )
