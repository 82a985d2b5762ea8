"""Values for every field of an interface, from its definition: usual and extreme ones."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

Path = tuple[str | int, ...]

MAX_FLOAT = 3.4e38  # rclpy takes a little less than the largest float32
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.1, 1e-30, -1e-30, 5e-324, 1e9, -1e9, MAX_FLOAT, -MAX_FLOAT)
NO_NUMBERS = (float("nan"), float("inf"), -float("inf"))
DOUBLES = (1e308, -1e308, np.pi, 2 * np.pi)
TEXTS = ("", " ", "/", "chase", "front", "odom", "base_link", "wild", "rgb8", "plumb_bob", "../x")
LONG = st.sampled_from((300, 5000)).map(lambda length: "a" * length)
PRINTABLE = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)
BITS = re.compile(r"u?int(\d+)")
ARRAY = re.compile(r"(.+)\[(\d+)\]")
SEQUENCE = re.compile(r"sequence<(.+?)(?:, *\d+)?>")


def numbers(kind: str) -> st.SearchStrategy[Any]:
    """Values of a plain type of an interface definition."""
    if kind == "boolean":
        return st.booleans()
    if kind in ("float", "double"):
        wide = DOUBLES if kind == "double" else ()
        found = st.sampled_from((*FLOATS, *NO_NUMBERS, *wide)) | st.floats(-10.0, 10.0)
        return found if kind == "double" else found.map(lambda x: float(np.float32(x)))
    if kind in ("octet", "byte"):
        return st.binary(min_size=1, max_size=1)
    if kind.startswith("string"):
        return st.sampled_from(TEXTS) | PRINTABLE | LONG
    found = BITS.fullmatch(kind)
    assert found, f"no type of an interface: {kind}"
    bits, signed = int(found[1]), not kind.startswith("u")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    edges = (low, high, 0, 1, 2, 5, 9, 64, min(8192, high), 10**9 if high > 10**9 else high)
    return st.sampled_from(edges) | st.integers(low, high)


def message_class(kind: str) -> type:
    """The class of `package/Name`."""
    package, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)  # type: ignore[no-any-return]


def values(kind: str) -> st.SearchStrategy[Any]:
    """Values of any type, also whole messages and lists of them."""
    if found := ARRAY.fullmatch(kind):
        return st.lists(values(found[1]), min_size=int(found[2]), max_size=int(found[2]))
    if found := SEQUENCE.fullmatch(kind):
        few = st.lists(values(found[1]), max_size=4)
        return few if "/" in kind else few | st.lists(values(found[1]), min_size=9, max_size=9)
    return messages(message_class(kind)) if "/" in kind else numbers(kind)


def messages(kind: type) -> st.SearchStrategy[Any]:
    """Messages of a class whose every field is anything."""
    fields = kind.get_fields_and_field_types()  # type: ignore[attr-defined]
    return st.builds(kind, **{name: values(its) for name, its in fields.items()})


def leaves(kind: type) -> Iterator[tuple[Path, str]]:
    """Path and type of every field that is no message itself; in a list, of its first element."""
    for name, its in kind.get_fields_and_field_types().items():  # type: ignore[attr-defined]
        found = SEQUENCE.fullmatch(its)
        inner, place = (found[1], (name, 0)) if found else (its, (name,))
        if "/" not in inner:
            yield (name,), its
            continue
        if found:
            yield (name,), its
        for path, leaf in leaves(message_class(inner)):
            yield (*place, *path), leaf


@dataclass(frozen=True)
class Change:
    """A field and what it is set to."""

    path: Path
    value: Any

    def apply(self, message: Any) -> None:
        """Set the field, in a message that is one's own; in an empty list, of a new element."""
        *way, last = self.path
        for step, after in zip(way, self.path[1:], strict=True):
            if isinstance(step, int):
                message = message[step]
                continue
            inner = getattr(message, step)
            if after == 0 and not len(inner):
                found = SEQUENCE.fullmatch(message.get_fields_and_field_types()[step])
                assert found
                inner.append(message_class(found[1])())
            message = inner
        setattr(message, str(last), self.value)


def changes(kind: type, below: str = "") -> st.SearchStrategy[Change]:
    """A change of any field of a message, or of one below a field of it."""
    places = [(path, its) for path, its in leaves(kind) if not below or path[0] == below]
    return st.sampled_from(places).flatmap(
        lambda place: st.builds(Change, st.just(place[0]), values(place[1]))
    )
