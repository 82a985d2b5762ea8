"""The whole way of an augmentation: read, cut, make, keep; then copy the bag with the answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from anyview_ros.augment.bag_copy import BagCopy, check_copied
from anyview_ros.augment.cameras_file import read_cameras_file
from anyview_ros.augment.exports.exporting import Exports
from anyview_ros.augment.job import Job, identity_of, size_of
from anyview_ros.augment.making import NS, Making
from anyview_ros.augment.plan import Plan
from anyview_ros.augment.requested import requested
from anyview_ros.augment.ros1 import as_ros2
from anyview_ros.augment.settings import Model, Progress, Report, Settings
from anyview_ros.augment.spool import Spool
from anyview_ros.augment.stores import Place, check_apart
from anyview_ros.contract import Contract
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_choice import BagOptions
from anyview_ros.engine.onnx.runtime import PROVIDERS
from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.engine.request import check_sampling
from anyview_ros.engine.sampler import MAX_SEED
from anyview_ros.errors import AnyviewError
from anyview_ros.installed import version
from anyview_ros.media.provenance import BAG_KEY, SYNTHETIC, WORDS
from anyview_ros.topics import OUTPUT

NOTE = "anyview_augment"  # key of the provenance, beside BAG_KEY


def augment(
    source: Place,
    output: Place,
    cameras: Path,
    options: BagOptions,
    settings: Settings,
    model: Model,
    resume: bool = False,
    exports: Exports | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    say: Callable[[str], object] = lambda line: None,
) -> Report:
    """Write a recording with virtual cameras added to it.

    Args:
        source: rosbag2 folder, one of its files, or a ROS 1 bag; it is only read. One of a store
            is copied to this machine first.
        output: folder to write; to a store it is uploaded when it is whole.
        cameras: file of virtual cameras.
        options: how the source cameras are taken.
        model: makes frames.
        resume: go on with what was begun, if there is something.
        exports: data sets to write of it as well.
        on_progress: called with a stage, and how much of it is done.
        say: called with a line for people at once.

    Raises:
        AnyviewError: named in docs/augment.md.
    """
    with closing(Job(output)) as job:
        check_apart([("BAG", source), ("OUT", output), *(exports.places if exports else ())])
        job.check_free(resume)
        if exports is not None:
            exports.check_free(resume)
        file = read_cameras_file(cameras, model.package.contract)
        _check_sampling(model.package.contract, settings.sampling)
        with job.full_disk_named(), job.source_named(source), ExitStack() as stack:
            local = job.local(source)
            identity = _identity(local, cameras, options, settings, model)
            job.begin(identity)
            try:
                bag = stack.enter_context(Bag(as_ros2(local, job.converted, say)))
                found = requested(file, local, bag, options, settings, model.package.contract)
                plan = found.plan
                check_copied(bag)
                left_out = plan.left_out(settings.only)
                copied = plan.bytes_copied(left_out) if left_out else size_of(local)
                job.check_space(copied + 2 * plan.bytes_added(settings))
                if exports is not None:
                    exports.check(plan, round(model.package.contract.frame_period * NS))
            except AnyviewError:
                job.drop_empty()
                raise
            for note in (*plan.notes, *map(str, found.samples)):
                say(note)
            spools = {r.name: stack.enter_context(Spool(job.clips, r.name)) for r in plan.requests}
            making = Making(plan, settings, model, model.load(), spools)
            report = making.run(on_progress)
            notes = _provenance(making, identity)
            BagCopy(plan, making, spools, notes).write(job.bag, on_progress)
            if exports is not None:
                told = json.loads(notes[NOTE])
                lines = _exported(exports, job, plan, told, making.scene_scale, on_progress)
                report = replace(report, lines=(*report.lines, *lines))
        job.finish()
        return report


def _exported(
    exports: Exports,
    job: Job,
    plan: Plan,
    provenance: dict[str, Any],
    scene_scale: float,
    on_progress: Progress,
) -> list[str]:
    """Write data sets of the bag that is complete, and return lines about them."""
    try:
        return exports.write(job.bag, plan, provenance, scene_scale, on_progress)
    except AnyviewError as error:
        said = f"{error.message}; the frames that were made are kept for --resume"
        raise AnyviewError(error.code, said) from None


def _check_sampling(contract: Contract, sampling: SynthesisOptions) -> None:
    if not 0 <= sampling.seed <= MAX_SEED:
        raise AnyviewError("invalid_seed", f"seed must be 0..{MAX_SEED}, got {sampling.seed}")
    check_sampling(contract, sampling)


def _identity(
    source: Path, cameras: Path, options: BagOptions, settings: Settings, model: Model
) -> dict[str, Any]:
    """Return all that the output follows from."""
    work = identity_of_work(cameras, options, settings, model)
    return {"bag": identity_of(source), **work, "provider": PROVIDERS[model.provider]}


def identity_of_work(
    cameras: Path, options: BagOptions, settings: Settings, model: Model
) -> dict[str, Any]:
    """Return what outputs follow from, but for the recording and the provider."""
    taken = asdict(options)
    for camera in taken["of_camera"].values():
        if path := str(camera["camera_info_url"]).removeprefix("file://"):
            camera["calibration"] = identity_of(Path(path)) if Path(path).is_file() else path
    return {
        "cameras": cameras.read_text(encoding="utf-8"),
        "options": taken,
        "settings": asdict(settings),
        "model": model.package.contract.name,
        "model_sha256": model.package.sha256,
        "version": version(),
    }


def _provenance(making: Making, identity: dict[str, Any]) -> dict[str, str]:
    """Return texts for the metadata, by name: what is synthetic, and how it was making."""
    names = [request.name for request in making.plan.requests]
    folders = ", ".join(f"/{OUTPUT}/{name}" for name in names)
    told = {
        "version": identity["version"],
        "model": identity["model"],
        "model_sha256": identity["model_sha256"],
        "provider": PROVIDERS[making.model.provider],
        "synthetic": [f"/{OUTPUT}/{name}" for name in names],
        "sources": {t.request.name: t.stream.sources for t in making.targets},
        "settings": identity["settings"],
        "options": identity["options"],
        "cameras": identity["cameras"],
    }
    words = f"{WORDS[SYNTHETIC]} All below: {folders}"
    return {BAG_KEY: words, NOTE: json.dumps(told, sort_keys=True)}
