"""LeRobot in, LeRobot out with cameras more: every episode as a recording of its own.

The frames of an episode lie one period of the model apart in that recording, whatever the data
set's rate: so each of them is answered, and what happens seems slower or faster to the model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer

from anyview_ros.augment.answers import INFO, TF, AnswerTypes, transform_message
from anyview_ros.augment.cameras_file import read_cameras
from anyview_ros.augment.exports import sidecar
from anyview_ros.augment.exports.arrow_tables import extend_parquet, read_parquet
from anyview_ros.augment.exports.lerobot_files import (
    INFO as INFO_FILE,
)
from anyview_ros.augment.exports.lerobot_files import (
    STATS,
    CameraVideo,
    VideoSummary,
    pixel_stats,
    place,
    video_key,
    write_json,
)
from anyview_ros.augment.exports.recording import virtual_topics
from anyview_ros.augment.job import Job, identity_of, size_of
from anyview_ros.augment.lerobot_source import LerobotSource, Posed, RecordedEpisode
from anyview_ros.augment.run import augment
from anyview_ros.augment.settings import Model, Progress, Report, Settings
from anyview_ros.augment.stores import Place, check_apart
from anyview_ros.clips.placements import Standing
from anyview_ros.clips.virtual.camera_request import CameraRequest, optical_frame
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import bag_cameras
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.datasets.bag_scenes import read_frame
from anyview_ros.engine.onnx.runtime import PROVIDERS
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.installed import version
from anyview_ros.media.provenance import SYNTHETIC, WORDS
from anyview_ros.topics import IMAGE_TYPE

BEGIN_NS = 1_000_000_000  # stamp of an episode's first frame; 0 is "not set"


@dataclass(frozen=True)
class DatasetAugmentation:
    """Hold what is asked for.

    Args:
        source, output: folders of data sets; the source is only read.
        cameras: file of virtual cameras, that stand.
        calibration: file of where the recorded cameras are; None = the data set's own sidecar.
        fixed_frame: name of the frame that this is in.
        sources: recorded cameras that are used; empty = all whose calibration is known.
    """

    source: Place
    output: Place
    cameras: Path
    calibration: Path | None
    fixed_frame: str
    sources: tuple[str, ...] = ()


def augment_dataset(
    wanted: DatasetAugmentation,
    settings: Settings,
    model: Model,
    resume: bool = False,
    on_progress: Progress = lambda stage, done, total: None,
    say: Callable[[str], object] = lambda line: None,
) -> Report:
    """Write a data set with virtual cameras added to every episode.

    Raises:
        AnyviewError: `invalid_dataset`, `no_calibration`, `invalid_calibration`, `name_taken`,
            `invalid_cameras_file`, `incomplete_episode`; those of `augment`.
    """
    with closing(Job(wanted.output)) as job:
        check_apart([("BAG", wanted.source), ("OUT", wanted.output)])
        job.check_free(resume)
        with job.full_disk_named():
            local = job.local(wanted.source)
        source = LerobotSource(local)
        requests = read_cameras(wanted.cameras, model.package.contract)
        _check(requests, source, wanted.cameras)
        posed = [
            c
            for c in source.posed(wanted.calibration)
            if c.name in wanted.sources or not wanted.sources
        ]
        _check_sources(posed, wanted, source)
        for camera in posed:
            say(f"camera {camera.name}: {video_key(camera.name)}")
        with job.full_disk_named():
            told = _told(wanted, settings, model)
            identity = {"dataset": identity_of(local), "sources": wanted.sources, **told}
            job.begin(identity)
            once = replace(model, load=cache(model.load))
            try:
                job.check_space(2 * size_of(local))
                made = [
                    _Episode(source, episode, posed, job, wanted).made(requests, settings, once)
                    for episode in _counted(source.episodes, on_progress)
                ]
            except AnyviewError:
                job.drop_empty()
                raise
            shutil.rmtree(job.bag, ignore_errors=True)
            shutil.copytree(source.path, job.bag)
            shutil.copytree(job.folder / "videos", job.bag / "videos", dirs_exist_ok=True)
            _Output(source, made, job.bag).write([r.name for r in requests], posed, told)
        job.finish()
        frames = sum(episode.length for episode in source.episodes)
        lines = [f"{r.name}: {frames} frames, {video_key(r.name)}" for r in requests]
        return Report(tuple(lines), frames * len(requests))


def _counted(episodes: Sequence[RecordedEpisode], on_progress: Progress) -> Any:
    for k, episode in enumerate(episodes):
        on_progress("episodes", k, len(episodes))
        yield episode
    on_progress("episodes", len(episodes), len(episodes))


def _check(requests: Sequence[CameraRequest], source: LerobotSource, file: Path) -> None:
    for request in requests:
        if request.name in source.taken:
            raise AnyviewError(
                "name_taken",
                f"the data set has a camera '{request.name}' already; name the new one otherwise",
            )
        if not isinstance(request.placement, Standing):
            raise AnyviewError(
                "invalid_cameras_file",
                f"'{file}': camera '{request.name}' has a trajectory, and episodes of a data set "
                "share no time; give it a pose",
            )


def _check_sources(
    posed: Sequence[Posed], wanted: DatasetAugmentation, source: LerobotSource
) -> None:
    known = {camera.name for camera in posed}
    missing = ", ".join(name for name in wanted.sources if name not in known)
    if missing or not known:
        raise AnyviewError(
            "no_calibration",
            f"where {missing or 'a recorded camera'} is, is not known; cameras of the data set are "
            f"{', '.join(source.shapes)}: give --calibration FILE.yaml (docs/exports.md)",
        )


def _told(wanted: DatasetAugmentation, settings: Settings, model: Model) -> dict[str, Any]:
    given = wanted.calibration
    return {
        "cameras": wanted.cameras.read_text(encoding="utf-8"),
        "calibration": given.read_text(encoding="utf-8") if given is not None else "",
        "fixed_frame": wanted.fixed_frame,
        "settings": asdict(settings),
        "model": model.package.contract.name,
        "model_sha256": model.package.sha256,
        "provider": PROVIDERS[model.provider],
        "version": version(),
        "frame_period_s": model.package.contract.frame_period,
    }


Made = Mapping[str, Mapping[str, NDArray[Any]]]  # by camera: size, intrinsics, extrinsics, counts


class _Episode:
    """One episode on its way."""

    def __init__(
        self,
        source: LerobotSource,
        episode: RecordedEpisode,
        posed: Sequence[Posed],
        job: Job,
        wanted: DatasetAugmentation,
    ) -> None:
        self._source, self._episode, self._posed = source, episode, posed
        self._job, self._wanted = job, wanted
        self._done = job.clips / f"{episode.index:06d}"

    def made(self, requests: Sequence[CameraRequest], settings: Settings, model: Model) -> Made:
        """Return what was made of it, now or before; its videos lie in the job's folder."""
        if not self._done.is_dir():
            bag, out = self._job.folder / "episode", self._job.folder / "episode-augmented"
            shutil.rmtree(bag, ignore_errors=True)
            shutil.rmtree(out, ignore_errors=True)
            self._write_bag(bag, round(model.package.contract.frame_period * 1e9))
            options = BagOptions(fixed_frame=self._wanted.fixed_frame)
            # What was begun of it is made again: it is of another file.
            shutil.rmtree(Job(out).folder, ignore_errors=True)
            augment(bag, out, self._wanted.cameras, options, settings, model)
            self._take(out, requests, options)
            shutil.rmtree(bag)
            shutil.rmtree(out)
        return {r.name: dict(np.load(self._done / f"{r.name}.npz")) for r in requests}

    def _write_bag(self, path: Path, period_ns: int) -> None:
        types, fixed = AnswerTypes(), self._wanted.fixed_frame
        with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            tf = writer.add_connection("/tf", TF, typestore=types.store)
            topics = {
                (camera.name, kind): writer.add_connection(
                    f"/{camera.name}/{name}", kind, typestore=types.store
                )
                for camera in self._posed
                for name, kind in (("image_raw", IMAGE_TYPE), ("camera_info", INFO))
            }
            readers = [self._source.frames(camera.name, self._episode) for camera in self._posed]
            for k, images in enumerate(zip(*readers, strict=True)):
                stamp = BEGIN_NS + k * period_ns
                for camera, image in zip(self._posed, images, strict=True):
                    lens, pose = camera.at(self._episode.start + k)
                    frame = optical_frame(camera.name)
                    found = [
                        (
                            tf,
                            TF,
                            types.new(TF, [transform_message(types, fixed, frame, pose, stamp)]),
                        ),
                        (topics[camera.name, INFO], INFO, types.info(lens, stamp, frame)),
                        (
                            topics[camera.name, IMAGE_TYPE],
                            IMAGE_TYPE,
                            types.image(image, stamp, frame),
                        ),
                    ]
                    for connection, kind, message in found:
                        writer.write(connection, stamp, types.content(kind, message))

    def _take(self, path: Path, requests: Sequence[CameraRequest], options: BagOptions) -> None:
        """Make videos of the frames of an augmented recording, and keep what is known of them."""
        partial = self._done.with_suffix(".part")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        with Bag(path) as bag:
            chosen = {request.name: virtual_topics(bag, request.name) for request in requests}
            cameras = bag_cameras(bag, options, more=chosen).by_name
            for name, topics in chosen.items():
                self._take_camera(bag, name, topics.topic, cameras[name], partial)
        partial.rename(self._done)

    def _take_camera(self, bag: Bag, name: str, topic: str, camera: Any, folder: Path) -> None:
        key = video_key(name)
        video = CameraVideo(self._job.folder, key, self._episode.index, self._source.fps, True)
        seen = []
        for image in bag.recorded({topic}):
            frame = video.add(read_frame(bag, image, camera, camera.shot(image.stamp_ns), 0))
            seen.append((frame.camera, frame.world_from_cam))
        if len(seen) != self._episode.length:
            raise AnyviewError(
                "incomplete_episode",
                f"{len(seen)} of {self._episode.length} frames of '{name}' in episode "
                f"{self._episode.index} could be made, and a data set needs them all",
            )
        video.close()
        np.savez(
            folder / f"{name}.npz",
            size=np.array([seen[0][0].width, seen[0][0].height]),
            counts=video.counts,
            intrinsics=np.stack([lens.matrix for lens, _ in seen]),
            extrinsics=np.stack([pose for _, pose in seen]),
        )


class _Output:
    """The data set with its new cameras.

    Args:
        source: that it is a copy of.
        made: of each episode, in the order of the source's.
    """

    def __init__(self, source: LerobotSource, made: Sequence[Made], folder: Path) -> None:
        self._source, self._folder = source, folder
        self._made = {e.index: of for e, of in zip(source.episodes, made, strict=True)}

    def write(self, names: Sequence[str], posed: Sequence[Posed], told: dict[str, Any]) -> None:
        """Write what differs from the source, which was copied."""
        for file in self._source.tables:
            path = self._folder / file.relative_to(self._source.path)
            indices = read_parquet(path, ["episode_index"])["episode_index"]
            rows = [self._row(index, names) for index in indices]
            extend_parquet(path, {key: [row[key] for row in rows] for key in rows[0]})
        info = {**self._source.info, "features": {**self._source.info["features"]}}
        statistics = self._folder / STATS
        stats = json.loads(statistics.read_text("utf-8")) if statistics.is_file() else {}
        for name in names:
            whole = self._video(name, self._made, place(0))
            info["features"][whole.key] = whole.feature()
            stats[whole.key] = whole.stats
        write_json(self._folder / INFO_FILE, info)
        write_json(statistics, stats)
        self._write_sidecar(names, posed, told)

    def _row(self, index: int, names: Sequence[str]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name in names:
            video = self._video(name, {index: self._made[index]}, place(index))
            row |= video.columns()
            row |= {f"stats/{video.key}/{k}": value for k, value in video.stats.items()}
        return row

    def _video(self, name: str, made: Mapping[int, Made], where: Mapping[str, int]) -> VideoSummary:
        """Return what is told of a camera in some of the episodes."""
        found = [of[name] for of in made.values()]
        frames = sum(len(of["intrinsics"]) for of in found)
        counts = np.sum([of["counts"] for of in found], axis=0)
        first = found[0]["intrinsics"][0]
        width, height = map(int, found[0]["size"])
        camera = Camera(width, height, *(float(first[k]) for k in ((0, 0), (1, 1), (0, 2), (1, 2))))
        stats = pixel_stats(counts, frames)
        return VideoSummary(video_key(name), where, camera, frames, self._source.fps, stats)

    def _write_sidecar(
        self, names: Sequence[str], posed: Sequence[Posed], told: dict[str, Any]
    ) -> None:
        folder = self._folder / sidecar.FOLDER
        folder.mkdir(exist_ok=True)
        file = folder / sidecar.PROVENANCE
        before = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        cameras = dict(before.get("cameras", {}))
        for camera in posed:
            frames = [
                camera.at(e.start + k) for e in self._source.episodes for k in range(e.length)
            ]
            rows = f"{camera.name}.npz"
            known = cameras.get(camera.name, {"rows": rows})
            if not (folder / known["rows"]).is_file():
                matrices = np.stack([lens.matrix for lens, _ in frames])
                poses = np.stack([pose for _, pose in frames])
                self._write_rows(folder / rows, matrices, poses)
                cameras[camera.name] = _entry(camera.name, False, camera.size)
        for name in names:
            found = [self._made[episode.index][name] for episode in self._source.episodes]
            matrices = np.concatenate([of["intrinsics"] for of in found])
            poses = np.concatenate([of["extrinsics"] for of in found])
            self._write_rows(folder / f"{name}.npz", matrices, poses)
            width, height = map(int, found[0]["size"])
            cameras[name] = {**_entry(name, True, (width, height)), "made_by": told}
        after = {
            "synthetic": WORDS[SYNTHETIC],
            "conventions": sidecar.CONVENTIONS,
            **before,
            "cameras": cameras,
        }
        text = json.dumps(after, indent=1, sort_keys=True)
        file.write_text(text + "\n", encoding="utf-8")

    def _write_rows(
        self, file: Path, intrinsics: NDArray[np.float64], extrinsics: NDArray[np.float64]
    ) -> None:
        index = np.concatenate([e.start + np.arange(e.length) for e in self._source.episodes])
        np.savez(file, index=index, intrinsics=intrinsics, extrinsics=extrinsics)


def _entry(name: str, synthetic: bool, size: tuple[int, int]) -> dict[str, Any]:
    return {
        "synthetic": synthetic,
        "name_here": video_key(name),
        "rows": f"{name}.npz",
        "width": size[0],
        "height": size[1],
    }
