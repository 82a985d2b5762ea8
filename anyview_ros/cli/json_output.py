"""`--json`: what a command found as one JSON object on stdout, for programs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any


def add_json(parser: ArgumentParser, what: str) -> None:
    """Add the option; what it prints stands in docs/commands.md by the command's `JSON_KEYS`."""
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON, nothing else")


def print_json(content: Any) -> None:
    print(json.dumps(content, indent=2, allow_nan=False))
