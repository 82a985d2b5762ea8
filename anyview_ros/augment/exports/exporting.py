"""From an augmented recording to data sets: one pass over its images for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from anyview_ros.augment.exports import sidecar
from anyview_ros.augment.exports.clock import (
    Clock,
    Samples,
    check_rate,
    constant_rate,
    recorded_times,
    sample,
)
from anyview_ros.augment.exports.formats import FORMATS, Wanted
from anyview_ros.augment.exports.recording import (
    Export,
    ExportedCamera,
    Recording,
    virtual_topics,
)
from anyview_ros.augment.exports.sidecar import Sidecar
from anyview_ros.augment.plan import Plan
from anyview_ros.augment.settings import Progress
from anyview_ros.augment.stores import Place, is_whole
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import BagCamera, bag_cameras
from anyview_ros.datasets.bag_choice import ChosenCamera
from anyview_ros.datasets.bag_scenes import read_frame
from anyview_ros.datasets.scene_plan import Shot
from anyview_ros.errors import AnyviewError

Shots = Mapping[str, Mapping[int, Shot]]  # by camera, by stamp


@dataclass(frozen=True)
class Exports:
    """The data sets that are asked for.

    Args:
        wanted: formats and folders.
        clock: by which all are sampled.
        ego_frame: TF frame of the robot, for formats that place cameras on it.
        name: of the recording in them.
    """

    wanted: tuple[Wanted, ...]
    clock: Clock
    ego_frame: str = "base_link"
    name: str = "recording"

    @property
    def places(self) -> list[tuple[str, Place]]:
        """Return the folders, with what they are called."""
        return [(f"--export {wanted.format}", wanted.folder) for wanted in self.wanted]

    def check_free(self, resume: bool) -> None:
        """Refuse to write over anything; what an earlier run completed may be there.

        Raises:
            AnyviewError: `output_exists`.
        """
        for wanted in self.wanted:
            if is_whole(wanted.folder) and not (resume and self._is_ours(wanted.folder)):
                raise AnyviewError(
                    "output_exists",
                    f"'{wanted.folder}' is there already; give another folder to --export, or move "
                    "it away",
                )

    def _is_ours(self, folder: Place) -> bool:
        """Return whether a data set was made here, by this clock."""
        inside = f"{sidecar.FOLDER}/{sidecar.PROVENANCE}"
        if isinstance(folder, Path):
            there = [str(file.relative_to(folder)) for file in folder.glob(f"**/{inside}")]
        else:
            there = [name for name in folder.files() if name.endswith(inside)]
        told = (sidecar.clock_of((folder / name).read_text("utf-8")) for name in there)
        return str(self.clock) in told

    def of(self, recording: str, name: str) -> Exports:
        """Return those of one of many recordings: each in a folder called as it is.

        Args:
            recording: its name among the others.
            name: of it in the data sets.
        """
        own = tuple(replace(wanted, folder=wanted.folder / recording) for wanted in self.wanted)
        return replace(self, wanted=own, name=name)

    def check(self, plan: Plan, period_ns: int) -> None:
        """Refuse, before anything is made, what the recorded cameras show to be impossible.

        Args:
            period_ns: between two frames of the model.

        Raises:
            AnyviewError: `clock_mismatch`, `no_common_time`, `unknown_topic`, `tf_unknown_frame`
                and others of TF.
        """
        for request in plan.requests:
            own_ns = max(period_ns, round(1e9 / request.message.rate))
            check_rate(self.clock, own_ns, request.name)
        self._gathered(plan.bag, plan, {})

    def write(
        self,
        path: Path,
        plan: Plan,
        provenance: Mapping[str, Any],
        scene_scale: float,
        on_progress: Progress,
    ) -> list[str]:
        """Write the data sets; returns lines about them.

        Args:
            path: of the augmented bag.
            provenance: how the frames were made.

        Raises:
            AnyviewError: as `check`; `out_of_order`, `calibration_changed`; those of a picture
                that cannot be read.
        """
        left = [wanted for wanted in self.wanted if not is_whole(wanted.folder)]
        if not left:
            return []
        with Bag(path) as bag:
            made = {request.name: virtual_topics(bag, request.name) for request in plan.requests}
            cameras, shots, samples, lines = self._gathered(bag, plan, made)
            exported = [
                ExportedCamera(name, camera.topic, synthetic=name in made)
                for name, camera in cameras.items()
            ]
            first = next(iter(cameras.values()))
            recording = Recording(
                self.name,
                tuple(exported),
                samples,
                lambda stamp: first.world_from(self.ego_frame, stamp),
                provenance,
                scene_scale,
            )
            for wanted in left:
                with _whole_folder(wanted) as partial:
                    export = FORMATS[wanted.format].export(partial, recording)
                    _write(bag, cameras, shots, recording, export, on_progress)
                lines.append(
                    f"{wanted.format}: {len(export.camera_names)} cameras, {wanted.folder}"
                )
        return [samples.line(), *lines]

    def _gathered(
        self, bag: Bag, plan: Plan, made: Mapping[str, ChosenCamera]
    ) -> tuple[Mapping[str, BagCamera], Shots, Samples, list[str]]:
        """Return cameras, their frames that can be used, the samples, and what is left out."""
        topics = {*plan.tf_topics, plan.tf_topic(static=True), plan.tf_topic(static=False)}
        there = tuple(sorted(topics & set(bag.types())))
        options = replace(plan.options, cameras=tuple(plan.cameras), tf_topics=there)
        cameras = bag_cameras(bag, options, more=made).by_name
        found = {name: _shots(camera) for name, camera in cameras.items()}
        shots = {name: shots for name, (shots, _) in found.items()}
        lines = [f"{name}: {line}" for name, (_, lost) in found.items() for line in lost]
        for name, usable in shots.items():
            if not usable:
                raise AnyviewError(
                    "no_images",
                    f"no image of '{name}' can be exported ({'; '.join(lines)}); leave it out "
                    "(--sources)",
                )
        times = recorded_times(bag, self.clock.topic) if self.clock.topic else ()
        samples = sample(self.clock, {n: sorted(usable) for n, usable in shots.items()}, times)
        formats = [FORMATS[wanted.format] for wanted in self.wanted]
        if any(f.needs_rate for f in formats):
            constant_rate(samples)
        if any(f.needs_ego for f in formats):
            first = next(iter(cameras.values()))
            for stamps in samples.stamps_ns.values():
                for stamp in (int(stamps[0]), int(stamps[-1])):
                    first.world_from(self.ego_frame, stamp)
        return cameras, shots, samples, lines


def _shots(camera: BagCamera) -> tuple[dict[int, Shot], list[str]]:
    """Return the frames of a camera that can be placed, and why others cannot."""
    found: dict[int, Shot] = {}
    lost: dict[str, list[AnyviewError]] = {}
    for stamp in camera.stamps_ns:
        try:
            found[stamp] = camera.shot(stamp)
        except AnyviewError as error:
            lost.setdefault(error.code, []).append(error)
    lines = [f"{len(e)} images not exported: {code}, e.g. {e[0]}" for code, e in lost.items()]
    return found, lines


def _write(
    bag: Bag,
    cameras: Mapping[str, BagCamera],
    shots: Shots,
    recording: Recording,
    export: Export,
    on_progress: Progress,
) -> None:
    names = [name for name in cameras if name in export.camera_names]
    beside, done, total = Sidecar(recording), 0, len(names) * len(recording.samples)
    by_topic = {cameras[name].topic: name for name in names}
    places = {name: _places(recording.samples.stamps_ns[name]) for name in names}
    following = dict.fromkeys(names, 0)
    seen = dict.fromkeys(names, 0)
    for image in bag.recorded(by_topic):
        name = by_topic[image.topic]
        count, seen[name] = seen[name], seen[name] + 1
        if count in cameras[name].stream.stray:
            continue
        indices = places[name].pop(image.stamp_ns, ())
        if not indices:
            continue
        if indices[0] != following[name]:
            raise _disordered(name, image.stamp_ns)
        following[name] = indices[-1] + 1
        frame = read_frame(bag, image, cameras[name], shots[name][image.stamp_ns], 0)
        for index in indices:
            beside.add(name, index, export.add(name, index, frame))
        done += len(indices)
        on_progress("exporting", done, total)
    assert done == total, "stamps were read of the same bag"
    export.close()
    beside.write(export.sidecar, export.camera_names)


def _places(stamps_ns: Sequence[int] | np.ndarray[Any, Any]) -> dict[int, list[int]]:
    """Return the places of the samples that each frame stands for."""
    found: dict[int, list[int]] = {}
    for index, stamp in enumerate(stamps_ns):
        found.setdefault(int(stamp), []).append(index)
    return found


def _disordered(camera: str, stamp_ns: int) -> AnyviewError:
    return AnyviewError(
        "out_of_order",
        f"the frame of {stamp_ns / 1e9:.3f} s of '{camera}' was not recorded in the order of the "
        "stamps; images of a camera must be, for an export",
    )


@contextmanager
def _whole_folder(wanted: Wanted) -> Iterator[Path]:
    """Yield a folder to write to, which appears under its own name at the end."""
    shutil.rmtree(wanted.partial, ignore_errors=True)
    wanted.partial.mkdir(parents=True)
    try:
        yield wanted.partial
    except BaseException:
        shutil.rmtree(wanted.partial, ignore_errors=True)
        raise
    if isinstance(wanted.folder, Path):
        wanted.partial.rename(wanted.folder)
    else:
        wanted.folder.upload(wanted.partial)
        shutil.rmtree(wanted.partial.parent)  # of this data set alone
