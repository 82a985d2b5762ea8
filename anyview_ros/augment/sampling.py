"""Draw virtual cameras about the real ones of a recording, the same ones for the same recording."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transforms3d.euler import euler2mat

from anyview_ros.augment.cameras_file import CameraEntry, CameraInfo, Pose, Quaternion, Vector
from anyview_ros.augment.job import identity_of
from anyview_ros.augment.rig_survey import Rig
from anyview_ros.augment.sampler_entry import GridSteps, SamplerEntry
from anyview_ros.engine.seen_points import seen_points
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, View
from anyview_ros.geometry import BODY_FROM_OPTICAL, quaternion_xyzw, rigid

TRIES = 200  # a camera that is wanted, before its rules are told to be too strict
BELOW, IN_BOX, OVERLAP = "below the ground", "inside the box", "too little overlap"


@dataclass(frozen=True)
class Sampled:
    """The cameras of one sampler.

    Args:
        entries: as if they had been named in the file.
        overlaps: share of what each looks at that source cameras see.
        rejected: how many others were not taken, by rule.
    """

    sampler: SamplerEntry
    entries: tuple[CameraEntry, ...]
    overlaps: tuple[float, ...]
    rejected: Mapping[str, int]

    def __str__(self) -> str:
        why = ", ".join(f"{count} {rule}" for rule, count in self.rejected.items())
        said = f"sampler {self.sampler.name}: {len(self.entries)} cameras"
        return f"{said}, rejected: {why or 'none'}"


@dataclass(frozen=True)
class _Drawn:
    """A camera that may be rejected."""

    camera: Camera
    frame_from_cam: NDArray[np.float64]


def recording_key(source: Path) -> str:
    """Return what tells one recording from another, whatever it is called."""
    known = sorted(map(json.dumps, identity_of(source).values()))
    return hashlib.sha256("".join(known).encode()).hexdigest()


def sampled(sampler: SamplerEntry, rig: Rig, key: str, scene_scale: float) -> Sampled:
    """Return the cameras of a sampler.

    Args:
        key: of the recording.
        scene_scale: see `seen_points`, by which overlap is measured.

    Raises:
        AnyviewError: `no_sampled_camera`; `unknown_source`; those of `Rig.frame_from_cam`.
    """
    rejected: Counter[str] = Counter()
    taken: list[_Drawn] = []
    overlaps: list[float] = []
    most = sampler.count or len(list(_grid(sampler)))
    tries = 0
    for drawn in _drawn(sampler, rig, key):
        if len(taken) == most or tries == TRIES * most:
            break
        tries += 1
        rule = _misplaced(drawn, sampler)
        overlap = 0.0 if rule else _overlap(drawn, sampler, rig, scene_scale)
        if not rule and overlap < sampler.reject.overlap:
            rule = OVERLAP
        if rule:
            rejected[rule] += 1
            continue
        taken.append(drawn)
        overlaps.append(overlap)
    if len(taken) < max(1, sampler.count):
        why = ", ".join(f"{count} {rule}" for rule, count in rejected.items())
        raise AnyviewError(
            "no_sampled_camera",
            f"sampler '{sampler.name}' found {len(taken)} of {most} cameras in {tries} tries, "
            f"rejected: {why}; widen its ranges, or ease its rules (reject)",
        )
    entries = tuple(_entry(sampler, k, drawn) for k, drawn in enumerate(taken))
    return Sampled(sampler, entries, tuple(overlaps), dict(rejected))


def _drawn(sampler: SamplerEntry, rig: Rig, key: str) -> Iterator[_Drawn]:
    about = rig.camera(sampler.about)
    base_from_about = rig.frame_from_cam(sampler.parent_frame, sampler.about)
    for values in _grid(sampler) if sampler.grid else _random(sampler, key):
        turn = euler2mat(values["yaw"], values["pitch"], values["roll"], axes="rzyx")
        about_from_cam = BODY_FROM_OPTICAL.T @ rigid(turn, (0, 0, 0)) @ BODY_FROM_OPTICAL
        base_from_cam = base_from_about @ about_from_cam
        base_from_cam[:3, 3] += (values["x"], values["y"], values["z"])
        camera = Camera(
            about.width,
            about.height,
            about.fx * values["zoom"],
            about.fy * values["zoom"],
            about.cx + values["cx"],
            about.cy + values["cy"],
        )
        yield _Drawn(camera, base_from_cam)


def _random(sampler: SamplerEntry, key: str) -> Iterator[dict[str, float]]:
    """Yield values of all ranges for ever; `random()` gives the same in every version of Python."""
    source = random.Random(f"{sampler.seed}/{sampler.name}/{key}")
    while True:
        yield {
            name: low + (high - low) * source.random()
            for name, (low, high) in sampler.ranges().items()
        }


def _grid(sampler: SamplerEntry) -> Iterator[dict[str, float]]:
    steps = sampler.grid or GridSteps()
    axes = []
    for name, (low, high) in sampler.ranges().items():
        number = getattr(steps, name)
        alone = [(low + high) / 2]
        axes.append(np.linspace(low, high, number).tolist() if number > 1 else alone)
    for values in itertools.product(*axes):
        yield dict(zip(sampler.ranges(), values, strict=True))


def _overlap(drawn: _Drawn, sampler: SamplerEntry, rig: Rig, scene_scale: float) -> float:
    target = View(drawn.camera, drawn.frame_from_cam[None])
    seen = [
        seen_points(
            View(rig.camera(name), rig.frame_from_cam(sampler.parent_frame, name)[None]),
            target,
            scene_scale,
        )
        for name in sampler.sources or rig.names
    ]
    return float(np.mean(np.any(seen, axis=0)))


def _misplaced(drawn: _Drawn, sampler: SamplerEntry) -> str:
    """Return the rule that rejects the place of a camera; empty for none."""
    x, y, z = drawn.frame_from_cam[:3, 3].tolist()
    rules = sampler.reject
    if rules.below is not None and z < rules.below:
        return BELOW
    return IN_BOX if rules.box is not None and rules.box.holds((x, y, z)) else ""


def _entry(sampler: SamplerEntry, number: int, drawn: _Drawn) -> CameraEntry:
    camera = drawn.camera
    k = (camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0)
    position = Vector(*drawn.frame_from_cam[:3, 3].tolist())
    return CameraEntry(
        name=f"{sampler.name}_{number}",
        parent_frame=sampler.parent_frame,
        pose=Pose(position, Quaternion(*quaternion_xyzw(drawn.frame_from_cam))),
        camera_info=CameraInfo(camera.width, camera.height, k),
        rate=sampler.rate,
        sources=sampler.sources,
        uncertainty_samples=sampler.uncertainty_samples,
    )
