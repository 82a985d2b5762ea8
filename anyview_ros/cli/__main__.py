"""`anyview COMMAND ...`: each command is a module beside this one, imported when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from anyview_ros import __version__
from anyview_ros.errors import AnyviewError
from anyview_ros.quiet_interrupt import ended_quietly
from anyview_ros.whole_file import FULL, disk_full

COMMANDS = {
    "demo": "drive a simulated car, or play a video, beside the node and record virtual cameras",
    "report": "recompute every figure of a recorded bag from the bag alone",
    "check": "look at topics, camera info, TF, transport and model before anything is requested",
    "top": "watch cameras, rates, latency, drops and load of running nodes",
    "train": "train a model on the procedural worlds",
    "distill": "make a student of few steps from a trained model",
    "ablate": "train a run's variants at a small budget: what is each of its parts worth?",
    "export": "turn a checkpoint, or imported weights, into a model package",
    "bench": "measure a model package on a benchmark, or on worlds, beside its baselines",
    "tiers": "measure what each speed of a model package costs against exact",
    "import": "turn the files of the AnyView release into weights that export takes",
    "augment": "add virtual cameras to a recorded bag, the same every time",
    "convert": "turn a bag or a video into scenes",
    "verify": "hold the joint family against golden vectors of the official code",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status (1 = a named error, 130 = interrupted)."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] not in COMMANDS:
        return _overview(arguments)
    with ended_quietly():
        command = import_module(f"anyview_ros.cli.{arguments[0]}")
    parser = argparse.ArgumentParser(
        prog=f"anyview {arguments[0]}",
        description=COMMANDS[arguments[0]],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_arguments(parser)
    try:
        return int(command.run(parser.parse_args(arguments[1:])))
    except AnyviewError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in FULL:
            raise
        full = disk_full(Path(error.filename or "a file"), error)
        print(f"error [{full.code}]: {full}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _overview(arguments: Sequence[str]) -> int:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    text = "\n".join([f"anyview {__version__}", "usage: anyview COMMAND ...", "", *lines])
    asked = not arguments or arguments[0] in ("-h", "--help", "--version")
    if not asked:
        text = f"error: there is no command '{arguments[0]}'\n{text}"
    print(text, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())
