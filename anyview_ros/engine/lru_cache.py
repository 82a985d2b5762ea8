"""Results that are kept by the content they were made from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class LruCache(Generic[T]):
    """The last results by key. Not thread-safe.

    Args:
        size: results kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[bytes, T] = OrderedDict()

    def peek(self, key: bytes) -> T | None:
        """Return the result of a key if it is kept."""
        return self._kept.get(key)

    def get(self, key: bytes, make: Callable[[], T]) -> T:
        """The result of a key, made where it is not kept. It is not to be changed."""
        if key not in self._kept:
            self._kept[key] = make()
        self.keep(key, self._kept[key])
        return self._kept[key]

    def keep(self, key: bytes, result: T) -> None:
        """Make a result the last of those kept."""
        self._kept[key] = result
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)


def digest(*parts: NDArray[Any] | str) -> bytes:
    """A key of arrays and texts, each with its own length."""
    whole = blake2b(digest_size=16)
    for part in parts:
        content = part.encode() if isinstance(part, str) else np.ascontiguousarray(part).data
        whole.update(f"{len(part)}{getattr(part, 'shape', '')}".encode())
        whole.update(content)
    return whole.digest()
