"""Run every check of a directory of golden vectors; the only place that reads references."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.errors import AnyviewError
from anyview_ros.verify import (
    autoencoder_checks,
    camera_checks,
    end_to_end_checks,
    image_checks,
    network_checks,
    sampler_checks,
)
from anyview_ros.verify.check import Check, Golden, Outputs, Setting
from anyview_ros.verify.end_to_end_checks import EPISODE_ARRAYS, episode_arrays
from anyview_ros.verify.golden import ANY, MODES, Array, Reference, Roles, open_arrays
from anyview_ros.verify.index import index_faults
from anyview_ros.verify.networks import Networks
from anyview_ros.verify.tolerance import EXACT, TRANSFORMS, Measure

MODULES = (
    network_checks,
    autoencoder_checks,
    image_checks,
    camera_checks,
    sampler_checks,
    end_to_end_checks,
)
CHECKS: Mapping[str, Check] = {check.file: check for m in MODULES for check in m.CHECKS}
SCENE, SCENE_ARRAYS = "scene_tiny", "e2e_tiny.npz"  # the same clip, as files and as arrays
README, INDEX = "README.md", "INDEX.txt"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Comparison:
    """Ours against references.

    Args:
        arrays: references compared.
        worst, worst_name: the figures of the array that uses most of its tolerance, and its name.
        faults: what is wrong; empty = good.
    """

    arrays: int = 0
    worst: tuple[Measure, ...] = ()
    worst_name: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """The verdict on one file in one precision mode.

    Args:
        file, mode: what was checked; `any` where precision does not matter.
        precision: in which ours were computed, if not in `mode`.
        found: what the comparison found.
        faults: why there could be none; empty = good.
    """

    file: str
    mode: str
    precision: str = ""
    found: Comparison = Comparison()
    faults: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.faults and not self.found.faults

    def __str__(self) -> str:
        mode = self.mode if self.precision in (self.mode, "") else f"{self.mode} ({self.precision})"
        figures = ", ".join(map(str, self.found.worst))
        verdict = "ok" if self.good else "FAIL"
        count = f"{self.found.arrays} arrays" if self.found.arrays else ""
        words = f"{self.file:<25} {mode:<13} {verdict:<4} {count:>9}  {figures:<54}"
        faults = "; ".join((*self.faults, *self.found.faults))
        return f"{words} {faults or self.found.worst_name}".rstrip()


def verify(path: Path, networks: Networks) -> Iterator[Line]:
    """Yield a line for each file and mode of a directory laid out as tests/golden is.

    Files and arrays that are unknown or missing fail.

    Raises:
        AnyviewError: `missing_file` when there is no such directory.
    """
    if not path.is_dir():
        raise AnyviewError("missing_file", f"there is no directory {path}")
    for name in sorted({e.name for e in path.iterdir()} - {*CHECKS, SCENE, README, INDEX}):
        yield Line(name, ANY, faults=("unknown file",))
    if (path / INDEX).is_file():
        yield Line(INDEX, ANY, faults=tuple(index_faults(path / INDEX)))
    golden = Golden(path, CHECKS)
    yield verify_scene(golden)
    for check in CHECKS.values():
        yield from verify_file(check, golden, networks)


def verify_scene(golden: Golden) -> Line:
    """Compare the scene folder, read as a scene, with the same clip in arrays."""
    # A scene may hold the inverse of these poses, and inverting again rounds.
    expected = {
        name: Reference(ANY, TRANSFORMS if name.startswith("c2w") else EXACT)
        for name in EPISODE_ARRAYS
    }

    def found() -> Comparison:
        # Inputs elsewhere, but what the reader of scenes must find.
        references = golden.inputs(SCENE_ARRAYS)
        ours = episode_arrays(SceneFolder(golden.path / SCENE).episode())
        return compare({name: references[name] for name in expected}, expected, ours)

    comparison, fault = attempted(found)
    return Line(SCENE, ANY, "", comparison or Comparison(), fault)


def verify_file(check: Check, golden: Golden, networks: Networks) -> Iterator[Line]:
    """Yield a line for each mode the file has references of."""
    opened, fault = attempted(lambda: (golden.roles(check.file), golden.inputs(check.file)))
    if opened is None:
        yield Line(check.file, ANY, faults=fault)
        return
    roles, inputs = opened
    faults = misfits(roles, inputs.names)
    references = {name: role for name, role in roles.items() if isinstance(role, Reference)}
    modes = {role.mode for role in references.values()}
    for mode in (m for m in (ANY, *MODES) if m in modes):
        setting = Setting(inputs, golden, mode, networks)
        precision = "" if mode == ANY else setting.precision
        if faults:
            yield Line(check.file, mode, precision, faults=faults)
            continue
        expected = {name: role for name, role in references.items() if role.mode == mode}
        found, fault = attempted(partial(computed_and_compared, check, setting, expected))
        yield Line(check.file, mode, precision, found or Comparison(), fault)


def computed_and_compared(
    check: Check, setting: Setting, expected: Mapping[str, Reference]
) -> Comparison:
    """Compare ours of one mode, computed before any reference is read, with the references."""
    ours = check.compute(setting)
    return compare(open_arrays(setting.inputs.file), expected, ours)


def misfits(roles: Roles, names: frozenset[str]) -> tuple[str, ...]:
    """Return arrays that are missing or unknown."""
    return (
        *(f"{name} is missing" for name in sorted(roles.keys() - names)),
        *(f"{name} is unknown" for name in sorted(names - roles.keys())),
    )


def attempted(call: Callable[[], Result]) -> tuple[Result | None, tuple[str, ...]]:
    """Return the result of a call, or why there is none."""
    try:
        return call(), ()
    except AnyviewError as error:
        return None, (f"[{error.code}] {error}",)
    except Exception as error:  # one broken file must not hide the verdict on the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return None, (f"{type(error).__name__} at {place}: {error}",)


def compare(
    references: Mapping[str, Array], expected: Mapping[str, Reference], ours: Outputs
) -> Comparison:
    """Ours against the references of one mode."""
    faults = [f"{name} was computed but is no reference" for name in ours.keys() - expected.keys()]
    worst: tuple[Measure, ...] = ()
    worst_name = ""
    for name, role in expected.items():
        if name not in ours:
            faults.append(f"{name} was not computed")
            continue
        measures, fault = measured(np.asarray(ours[name]), references[name], role)
        if fault:
            faults.append(f"{name}: {fault}")
        if measures and (not worst or used(measures) > used(worst)):
            worst, worst_name = measures, name
    return Comparison(len(expected), worst, worst_name, tuple(faults))


def measured(ours: Array, reference: Array, role: Reference) -> tuple[tuple[Measure, ...], str]:
    """Return the figures of one array, and what is wrong with them."""
    if ours.shape != reference.shape:
        return (), f"shape {ours.shape}, not {reference.shape}"
    try:
        measures = role.tolerance.measure(ours, reference)
    except ValueError as error:
        return (), str(error)
    return measures, ", ".join(str(measure) for measure in measures if not measure.good)


def used(measures: tuple[Measure, ...]) -> float:
    """Return the share of the tolerance that the first figure uses up; a nan counts as all and
    more.

    The others are limits that a single element reaches, such as one step of a grid.
    """
    share = measures[0].used
    return np.inf if np.isnan(share) else share
