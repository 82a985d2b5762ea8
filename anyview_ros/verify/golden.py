"""What a golden file holds, and who may read it: the code under test its inputs, no more."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.verify.tolerance import Tolerance

Array = NDArray[Any]
MODES = ("f32", "parity", "bf16")
ANY = "any"  # no precision mode: the same numbers in all of them


@dataclass(frozen=True)
class Input:
    """An array that the code under test is given."""


@dataclass(frozen=True)
class Reference:
    """An array that only the comparer reads.

    Args:
        mode: precision mode it belongs to, or `any`.
        tolerance: how near ours must be.
    """

    mode: str
    tolerance: Tolerance


@dataclass(frozen=True)
class Remark:
    """An array for orientation, neither given nor compared."""


Role = Input | Reference | Remark
Roles = dict[str, Role]


class Inputs:
    """The arrays of a golden file that may be read; asking for another one is an error.

    Args:
        file: the .npz.
        readable: names that may be read.

    Raises:
        AnyviewError: `invalid_golden` when the file is no npz of plain arrays.
    """

    def __init__(self, file: Path, readable: Collection[str]) -> None:
        self.file = file
        self._arrays = open_arrays(file)
        self._readable = frozenset(readable)

    @property
    def names(self) -> frozenset[str]:
        """Return names of all arrays, references included: what a file holds is no secret."""
        return frozenset(self._arrays.files)

    def __getitem__(self, name: str) -> Array:
        """Read an input. Raises AnyviewError `reference_refused` or `missing_array`."""
        if name not in self.names:
            raise AnyviewError("missing_array", f"{self.file.name} holds no '{name}'")
        if name not in self._readable:
            raise AnyviewError(
                "reference_refused",
                f"'{name}' of {self.file.name} is a reference: only the comparer reads it",
            )
        return np.asarray(self._arrays[name])

    def shape(self, name: str) -> tuple[int, ...]:
        """Return shape of any array, references included: how much there is to compute is no
        secret."""
        return tuple(self._arrays[name].shape)

    def number(self, name: str) -> int:
        return int(self[name])

    def config(self) -> Mapping[str, Any]:
        """Return the array `config`, a JSON object."""
        try:
            config = json.loads(str(self["config"]))
        except ValueError as error:
            raise AnyviewError("invalid_golden", f"config of {self.file.name}: {error}") from None
        if not isinstance(config, dict):
            raise AnyviewError("invalid_golden", f"config of {self.file.name} is no JSON object")
        return config

    def state(self) -> dict[str, Array]:
        """Return the weights, `sd/<key>`, by key."""
        names = sorted(name for name in self.names if name.startswith("sd/"))
        return {name.removeprefix("sd/"): self[name] for name in names}


def weights(names: Collection[str]) -> Roles:
    """Return the roles of a file that holds weights: loading them says whether any is missing."""
    return {"config": Input(), **{name: Input() for name in names if name.startswith("sd/")}}


def open_arrays(file: Path) -> NpzFile:
    """Return the arrays of an npz by name.

    Raises:
        AnyviewError: `invalid_golden`.
    """
    try:
        arrays = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise AnyviewError("invalid_golden", f"{file} cannot be read as npz: {error}") from None
    if not isinstance(arrays, NpzFile):
        raise AnyviewError("invalid_golden", f"{file} is one array, not an npz of several")
    return arrays
