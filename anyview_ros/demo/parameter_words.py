"""Parameters of a node on its command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

Value = str | float | bool | Sequence[str]  # a float may be an int


def parameter_words(values: Mapping[str, Value]) -> list[str]:
    """Return parameters as ROS has them on a command line, of the types that they have here.

    ROS reads YAML, which JSON is: without quotes `yes`, `2024` and `a #2.mp4` would be no texts.
    """
    words = []
    for name, value in values.items():
        words += ["-p", f"{name}:={json.dumps(value, ensure_ascii=False)}"]
    return ["--ros-args", *words]
