"""What a check is: which arrays a golden file must hold, and how ours are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.verify.golden import Input, Inputs, Reference, Roles
from anyview_ros.verify.networks import Networks, Weights

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Setting:
    """What our code computes with.

    Args:
        inputs: of the file that is checked.
        golden: for the inputs of other files, such as weights.
        mode: precision mode of the references, or `any`.
        networks: of the engine under test.
    """

    inputs: Inputs
    golden: Golden
    mode: str
    networks: Networks

    @property
    def precision(self) -> str:
        """Return the precision our networks compute in for this mode."""
        return self.networks.mode(self.mode)

    def weights(self, file: str = "") -> Weights:
        """Return sizes and state dict of this file, or of another one."""
        inputs = self.golden.inputs(file) if file else self.inputs
        return Weights(inputs.config(), inputs.state())


@dataclass(frozen=True)
class Check:
    """One golden file.

    Args:
        file: its name.
        header: inputs that say how many of the other arrays there are.
        roles: every array the file must hold, from its header (and its names, where only they
            tell how many groups there are).
        compute: our values of all references of a mode, by name.
    """

    file: str
    header: tuple[str, ...]
    roles: Callable[[Inputs], Roles]
    compute: Callable[[Setting], Outputs]


class Golden:
    """A directory of golden files, readable as far as the checks allow.

    Args:
        path: the directory.
        checks: by file name.
    """

    def __init__(self, path: Path, checks: Mapping[str, Check]) -> None:
        self.path = path
        self._checks = checks

    def roles(self, file: str) -> Roles:
        """Return every array the file must hold.

        Raises:
            AnyviewError: `missing_array` or `invalid_golden` for a header that cannot be read.
        """
        check = self._checks[file]
        return check.roles(Inputs(self._existing(file), check.header))

    def inputs(self, file: str) -> Inputs:
        """Return the inputs of a file, and nothing else of it."""
        roles = self.roles(file)
        readable = [name for name, role in roles.items() if isinstance(role, Input)]
        return Inputs(self._existing(file), readable)

    def _existing(self, file: str) -> Path:
        if not (self.path / file).is_file():
            raise AnyviewError("missing_file", f"{self.path} holds no {file}")
        return self.path / file


def inputs(*names: str) -> Roles:
    return {name: Input() for name in names}


def references(mode: str, tolerance: Any, *names: str) -> Roles:
    return {name: Reference(mode, tolerance) for name in names}


def group_indices(names: frozenset[str], prefix: str) -> range:
    """Return 0..n of the groups `<prefix><i>/` that a file holds; at least one."""
    found = {name.split("/")[0].removeprefix(prefix) for name in names if name.startswith(prefix)}
    numbers = [int(text) for text in found if text.isdigit()]
    return range(max(numbers, default=0) + 1)
