"""Run every check of a directory of golden vectors; the only place that reads references."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anyview_ros.errors import AnyviewError
from anyview_ros.tools.scene_layout import Scene
from anyview_ros.tools.verify import (
    autoencoder_checks,
    camera_checks,
    end_to_end_checks,
    image_checks,
    network_checks,
    sampler_checks,
)
from anyview_ros.tools.verify.check import Check, Golden, Outputs, Setting
from anyview_ros.tools.verify.end_to_end_checks import EPISODE_ARRAYS, episode_arrays
from anyview_ros.tools.verify.golden import ANY, MODES, Array, Reference, Roles, open_arrays
from anyview_ros.tools.verify.index import index_faults
from anyview_ros.tools.verify.networks import Networks
from anyview_ros.tools.verify.tolerance import EXACT, Measure

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


@dataclass(frozen=True)
class Comparison:
    """Ours against references.

    Args:
        arrays: references compared.
        worst: the figures of the array that uses most of its tolerance.
        faults: what is wrong; empty = good.
    """

    arrays: int = 0
    worst: tuple[Measure, ...] = ()
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
        faults = "; ".join((*self.faults, *self.found.faults))
        verdict = "ok" if self.good else f"FAIL: {faults}"
        compared = f"{self.found.arrays:>3} arrays" if self.found.arrays else ""
        return f"{self.file:<25} {mode:<13} {compared:<10}  {figures:<52} {verdict}"


def verify(path: Path, networks: Networks) -> Iterator[Line]:
    """A line for each file and mode of a directory laid out as tests/golden is.

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
    """The scene folder, read as a scene, against the same clip in arrays."""
    expected = {name: Reference(ANY, EXACT) for name in EPISODE_ARRAYS}
    try:
        # Inputs elsewhere, but what the reader of scenes must find.
        references = golden.inputs(SCENE_ARRAYS)
        ours = episode_arrays(Scene(golden.path / SCENE).episode())
        found = compare({name: references[name] for name in expected}, expected, ours)
    except AnyviewError as error:
        return Line(SCENE, ANY, faults=(str(error),))
    return Line(SCENE, ANY, "", found)


def verify_file(check: Check, golden: Golden, networks: Networks) -> Iterator[Line]:
    """A line for each mode the file has references of."""
    try:
        roles = golden.roles(check.file)
        inputs = golden.inputs(check.file)
    except AnyviewError as error:
        yield Line(check.file, ANY, faults=(str(error),))
        return
    faults = misfits(roles, inputs.names)
    references = open_arrays(golden.path / check.file)
    modes = {role.mode for role in roles.values() if isinstance(role, Reference)}
    for mode in (m for m in (ANY, *MODES) if m in modes):
        setting = Setting(inputs, golden, mode, networks)
        expected = {n: r for n, r in roles.items() if isinstance(r, Reference) and r.mode == mode}
        ours, crash = computed(check, setting) if not faults else ({}, ())
        found = compare(references, expected, ours) if ours else Comparison()
        precision = "" if mode == ANY else setting.precision
        yield Line(check.file, mode, precision, found, (*faults, *crash))


def misfits(roles: Roles, names: frozenset[str]) -> tuple[str, ...]:
    """Arrays that are missing or unknown."""
    return (
        *(f"{name} is missing" for name in sorted(roles.keys() - names)),
        *(f"{name} is unknown" for name in sorted(names - roles.keys())),
    )


def computed(check: Check, setting: Setting) -> tuple[Outputs, tuple[str, ...]]:
    """Ours by name, or why there are none."""
    try:
        return check.compute(setting), ()
    except AnyviewError as error:
        return {}, (f"[{error.code}] {error}",)
    except Exception as error:  # one broken check must not hide the verdict on the others
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return {}, (f"{type(error).__name__} at {place}: {error}",)


def compare(
    references: Mapping[str, Array], expected: Mapping[str, Reference], ours: Outputs
) -> Comparison:
    """Ours against the references of one mode."""
    faults = [f"{name} was computed but is no reference" for name in ours.keys() - expected.keys()]
    worst: tuple[Measure, ...] = ()
    for name, role in expected.items():
        if name not in ours:
            faults.append(f"{name} was not computed")
            continue
        measures, fault = measured(np.asarray(ours[name]), references[name], role)
        if fault:
            faults.append(f"{name}: {fault}")
        if measures and (not worst or used(measures) > used(worst)):
            worst = measures
    return Comparison(len(expected), worst, tuple(faults))


def measured(ours: Array, reference: Array, role: Reference) -> tuple[tuple[Measure, ...], str]:
    """The figures of one array, and what is wrong with them."""
    if ours.shape != reference.shape:
        return (), f"shape {ours.shape}, not {reference.shape}"
    try:
        measures = role.tolerance.measure(ours, reference)
    except ValueError as error:
        return (), str(error)
    return measures, ", ".join(str(measure) for measure in measures if not measure.good)


def used(measures: tuple[Measure, ...]) -> float:
    """Share of the tolerance that is used up; a nan counts as all of it and more."""
    return max(np.inf if np.isnan(m.used) else m.used for m in measures)
