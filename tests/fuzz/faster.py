"""Shortcuts of a process that fuzzes; whoever replays an input goes the whole way."""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from rosbags.convert import converter
from rosbags.highlevel import anyreader
from rosbags.rosbag2 import writer
from rosbags.serde import utils
from rosbags.typesys import get_types_from_msg

from anyview_ros import typed_json
from anyview_ros.augment import cameras_file, metadata
from anyview_ros.datasets import bag_opening, calibration_file

KEPT = 1000  # of what was made of an input, by what it was made of


def hasten(folder: Path) -> None:
    """Make once, or by a faster parser, what took most of a run's time and would be the same.

    Args:
        folder: for temporary files, in memory.
    """
    tempfile.tempdir = str(folder)
    kept = lru_cache(KEPT)
    _replace("get_type_hints", kept(get_type_hints), typed_json, cameras_file)
    _replace("get_types_from_msg", kept(get_types_from_msg), anyreader, converter)
    _replace("exec", _exec, utils)
    of_yaml = cameras_file, calibration_file, bag_opening, metadata
    _replace("YAML", _Json, writer)
    _replace("load_yaml", json_first(bag_opening.load_yaml), *of_yaml)
    gc.freeze()


def _replace(name: str, by: Callable[..., Any], *modules: ModuleType) -> None:
    for module in modules:
        setattr(module, name, by)


class _Json:
    """Writes what rosbags wants in YAML, and what is read back at once, as JSON."""

    def __init__(self, typ: str) -> None:
        self.default_flow_style = False

    def dump(self, value: Any, stream: Any) -> None:
        json.dump(value, stream)


def json_first(load_yaml: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reader of YAML that leaves JSON to its own parser, which takes a hundredth."""

    def load(text: str, pure: bool = False) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return load_yaml(text, pure)

    return load


@lru_cache(KEPT)
def _compiled(source: str) -> Any:
    return compile(source, "<rosbags>", "exec")


def _exec(source: str, names: dict[str, Any]) -> None:
    """Run what rosbags writes for a type."""
    exec(_compiled(source), names)
