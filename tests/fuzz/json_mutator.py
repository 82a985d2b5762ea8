"""Changes of JSON that keep it JSON: bytes that are changed at random seldom come so far."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 5, 2**31, 2**53, 2**64, -(2**63), 10**30, 0.0, -0.0, 0.5),
    *(1e-320, 1e308, float("nan"), float("inf"), -float("inf"), "", "a", "/", "..", "é", "\ud800"),
    *("\0", "x" * 300, "1", "nan", [], [[]], {}, [0.0] * 9, [1, 2], ["a", "a"], {"a": 1}),
)
Place = tuple[Any, Any]  # a list or an object, and an index or a key of it


def mutate_json(content: bytes, rng: random.Random) -> bytes | None:
    """Return a text of JSON with one or two values changed; None if it was none."""
    try:
        return _mutated(json.loads(content), rng)
    except (ValueError, RecursionError):
        return None


def _mutated(value: Any, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 2)):
        places = list(_places(value))
        if not places:
            value = deepcopy(rng.choice(VALUES))
            continue
        inside, key = rng.choice(places)
        _change(inside, key, places, rng)
    return json.dumps(value).encode("utf-8", "replace")


def _places(value: Any) -> Iterator[Place]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _change(inside: Any, key: Any, places: list[Place], rng: random.Random) -> None:
    how = rng.randrange(7)
    if how < 3:
        inside[key] = deepcopy(rng.choice(VALUES))  # it is changed later, perhaps
    elif how == 3:
        del inside[key]
    elif how == 4:  # another part of it; a copy, or it might hold itself
        other, its = rng.choice(places)
        inside[key] = deepcopy(other[its])
    elif how == 5 and isinstance(inside[key], int | float):
        inside[key] = rng.choice([-inside[key], inside[key] + 1, inside[key] - 1, inside[key] * 4])
    elif isinstance(inside, dict):
        inside[rng.choice([str(k) for _, k in places])] = inside[key]
    else:
        inside.insert(key, inside[key])
