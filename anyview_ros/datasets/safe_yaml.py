"""YAML of others: plain values only, and no more of them than stand in the text."""

from __future__ import annotations

from typing import Any

from rosbags.rosbag2.reader import YAML  # type: ignore[attr-defined]

MAX_KEYS = 10_000  # of a mapping that others were merged into
_Constructor: Any = YAML(typ="safe", pure=True).Constructor


class _Bounded(_Constructor):  # type: ignore[misc]
    """Merges (`<<: [*a, *a]`) double a mapping with each line: thirty lines would take hours."""

    def flatten_mapping(self, node: Any) -> Any:
        super().flatten_mapping(node)
        if getattr(node, "merge", None) and len(node.value) > MAX_KEYS:
            raise ValueError(f"a mapping becomes more than {MAX_KEYS} keys by merging")


def load_yaml(text: str, pure: bool = False) -> Any:
    """Return the value in a text; raises whatever YAML throws at a text that is none.

    Args:
        pure: whether it is parsed by Python alone.
    """
    yaml = YAML(typ="safe", pure=pure)
    yaml.Constructor = _Bounded
    return yaml.load(text)
