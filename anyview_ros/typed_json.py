"""JSON of others into frozen dataclasses: each value is of the kind of its field, or named."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MAX_TEXT = 4096
MAX_ENTRIES = 10_000
MAX_WHOLE = 1 << 53  # above it JSON's readers disagree
SHOWN = 60  # characters of a value in a message
MORE = 200  # than are shown, so that what is shown is the beginning


def read_object(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        ValueError: for what is none, also where it is nested without end.
        OSError: where it cannot be read.
    """
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(raw, dict):
        raise ValueError("it holds no object")
    return raw


class WrongKindError(ValueError):
    """A value that is not of its kind; the message says where, what was needed and what came."""


def read_typed(kind: Any, raw: Any, where: str) -> Any:
    """Return a value of JSON as one of a kind: lists become tuples, objects dataclasses.

    Args:
        kind: bool, int, float, str, Any, or a Literal, tuple, Mapping[str, ...], union or dataclass
            of such. Numbers are finite, texts printable.
        where: name of the value, for the message.

    Raises:
        WrongKindError: nothing is guessed: a bool is no number, and a text is none either.
    """
    if kind is Any:
        return raw
    if is_dataclass(kind):
        return _dataclass(kind, raw, where)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _union(get_args(kind), raw, where)
    if origin is Literal:
        words = ", ".join(map(str, get_args(kind)))
        return _required(
            isinstance(raw, str) and raw in get_args(kind), raw, f"one of {words}", where
        )
    if origin is tuple:
        return _tuple(get_args(kind), raw, where)
    if origin is not None and issubclass(origin, Mapping):
        _required(isinstance(raw, dict) and len(raw) <= MAX_ENTRIES, raw, "an object", where)
        entry = get_args(kind)[1]
        return {
            read_typed(str, key, where): read_typed(entry, value, f"{where}.{key:.{SHOWN}}")
            for key, value in raw.items()
        }
    return _plain(kind, raw, where)


def _plain(kind: Any, raw: Any, where: str) -> Any:
    if kind is bool:
        return _required(isinstance(raw, bool), raw, "true or false", where)
    if kind is str:
        is_text = isinstance(raw, str) and raw.isprintable() and len(raw) <= MAX_TEXT
        return _required(is_text, raw, f"a printable text of at most {MAX_TEXT} characters", where)
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if kind is int:
        is_whole = is_number and isinstance(raw, int) and abs(raw) <= MAX_WHOLE
        return _required(is_whole, raw, "a whole number", where)
    assert kind is float, f"no kind of JSON: {kind}"
    is_finite = is_number and abs(raw) < MAX_WHOLE**8 and math.isfinite(raw)
    return float(_required(is_finite, raw, "a finite number", where))


def _tuple(kinds: tuple[Any, ...], raw: Any, where: str) -> tuple[Any, ...]:
    needed = f"a list of at most {MAX_ENTRIES}"
    if kinds[-1] is not Ellipsis:
        needed = f"a list of {len(kinds)}"
    elif isinstance(raw, list) and len(raw) <= MAX_ENTRIES:
        kinds = kinds[:1] * len(raw)
    _required(isinstance(raw, list) and len(raw) == len(kinds), raw, needed, where)
    return tuple(
        read_typed(kind, value, f"{where}[{k}]")
        for k, (kind, value) in enumerate(zip(kinds, raw, strict=True))
    )


def _union(kinds: tuple[Any, ...], raw: Any, where: str) -> Any:
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if words:
        return read_typed(Literal[tuple(words)], raw, where)
    if raw is None and NoneType in kinds:
        return None
    (kind,) = [kind for kind in kinds if kind is not NoneType]
    return read_typed(kind, raw, where)


def _dataclass(kind: Any, raw: Any, where: str) -> Any:
    _required(isinstance(raw, dict), raw, "an object", where)
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(map(str, raw.keys() - known.keys())):  # YAML has keys of any kind
        named = ", ".join(unknown)[:SHOWN]
        raise WrongKindError(f"{where} has unknown fields {named}; a newer version wrote it")
    needed = {n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING}
    if missing := sorted(needed - raw.keys()):
        raise WrongKindError(f"{where} lacks {', '.join(missing)}")
    kinds = get_type_hints(kind)
    return kind(**{name: read_typed(kinds[name], raw[name], name) for name in raw})


def _required(holds: bool, raw: Any, needed: str, where: str) -> Any:
    if not holds:
        raise WrongKindError(f"{where} must be {needed}, got {_shown(raw)}")
    return raw


def _shown(raw: Any) -> str:
    """Return the beginning of a value as text, whatever its size.

    A list in YAML may hold itself twice over, thirty times, and become gigabytes as a text.
    """
    short = reprlib.Repr()
    short.maxlevel = 3
    short.maxlist = short.maxdict = short.maxtuple = short.maxset = 20
    short.maxstring = short.maxlong = short.maxother = MORE
    try:
        return short.repr(raw)[:SHOWN]
    except ValueError:  # of more digits than Python writes
        return "a number of very many digits"
