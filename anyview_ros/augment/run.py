"""The whole way of an augmentation: read, cut, make, keep; then copy the bag with the answers."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from heapq import merge
from pathlib import Path
from typing import Any, Literal, Protocol

from anyview_ros import __version__
from anyview_ros.augment.answers import (
    TF,
    AddedTopic,
    Answer,
    AnswerMessages,
    AnswerTypes,
    Images,
    Maker,
    reliable,
    standing_frames,
)
from anyview_ros.augment.cameras_file import read_cameras
from anyview_ros.augment.copying import Addition, Answers, FileSummary
from anyview_ros.augment.cutting import Cut, Engine, Sources, Target
from anyview_ros.augment.job import Job, identity_of, size_of
from anyview_ros.augment.mcap_copy import McapCopy
from anyview_ros.augment.mcap_copy import last_time as last_of_mcap
from anyview_ros.augment.metadata import metadata_text, read_metadata
from anyview_ros.augment.reading import PosedFrame, Reading
from anyview_ros.augment.spool import Spool
from anyview_ros.augment.sqlite_copy import SqliteCopy
from anyview_ros.augment.sqlite_copy import last_time as last_of_sqlite
from anyview_ros.clips.intake.intake_config import (
    BUFFER_S,
    MEMORY_S,
    SOURCE_SIZE,
    IntakeConfig,
    memory_limits,
)
from anyview_ros.clips.placements import Standing
from anyview_ros.clips.virtual.camera_request import CameraRequest
from anyview_ros.contract import Contract
from anyview_ros.datasets.bag import Bag, RecordedMessage
from anyview_ros.datasets.bag_choice import BagOptions, CameraChoice, ChosenCamera
from anyview_ros.datasets.bag_mcap import McapFile
from anyview_ros.datasets.bag_opening import METADATA, ROS1
from anyview_ros.datasets.bag_transforms import STATIC, TfTrees
from anyview_ros.engine.onnx.runtime import PROVIDERS
from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.engine.request import check_sampling
from anyview_ros.engine.sampler import MAX_SEED
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.compression import check_compressed
from anyview_ros.imaging.encodings import check_encoding
from anyview_ros.media.provenance import BAG_KEY, SYNTHETIC, WORDS
from anyview_ros.packages import ModelPackage
from anyview_ros.topics import COMPRESSED_TYPE, OUTPUT

NOTE = "anyview_augment"  # key of the provenance, beside BAG_KEY
JPEG_SHARE = 0.15  # of a raw image, at the quality that is written; generous
LATCHED_DEPTH = 1
NS = 1_000_000_000

Memory = Literal["past", "both"]
Progress = Callable[[str, int, int], object]


@dataclass(frozen=True)
class MadeBy:
    """The engine, and what it says of itself.

    Args:
        engine: makes frames.
        package: of the model.
        provider: of ONNX Runtime, by its short name.
    """

    engine: Engine
    package: ModelPackage
    provider: Literal["cpu", "cuda", "tensorrt"]


@dataclass(frozen=True)
class Settings:
    """How a recording is augmented; the node's parameters have the same names.

    Args:
        images: how the images of virtual cameras travel.
        memory: keyframes of the time before a clip, or of that after it too.
        memory_s: how far they may be from it.
    """

    sampling: SynthesisOptions = field(default_factory=SynthesisOptions)
    images: Images = "raw"
    memory: Memory = "past"
    memory_s: float = MEMORY_S
    source_size: int = SOURCE_SIZE

    @property
    def scene_scale(self) -> float:
        return self.sampling.scene_scale


@dataclass(frozen=True)
class Report:
    """What became of it.

    Args:
        lines: for people.
        answered: frames of all virtual cameras.
    """

    lines: tuple[str, ...]
    answered: int


class Opened(Protocol):
    """Makes the engine once everything else was checked."""

    def __call__(self) -> MadeBy: ...


def augment(
    source: Path,
    output: Path,
    cameras: Path,
    options: BagOptions,
    settings: Settings,
    package: ModelPackage,
    open_engine: Opened,
    resume: bool = False,
    on_progress: Progress = lambda stage, done, total: None,
    say: Callable[[str], object] = lambda line: None,
) -> Report:
    """Write a recording with virtual cameras added to it.

    Args:
        source: rosbag2 folder, one of its files, or a ROS 1 bag; it is only read.
        output: folder to write.
        cameras: file of virtual cameras.
        options: how the source cameras are taken.
        package: of the model.
        open_engine: loads it.
        resume: go on with what was begun, if there is something.
        on_progress: called with a stage, and how much of it is done.
        say: called with a line for people at once.

    Raises:
        AnyviewError: named in docs/augment.md.
    """
    job = Job(output)
    job.check_free(resume)
    requests = read_cameras(cameras, package.contract)
    _check_sampling(package.contract, settings.sampling)
    with job.full_disk_named(), ExitStack() as stack:
        identity = _identity(source, cameras, options, settings, package)
        job.begin(identity)
        try:
            bag = stack.enter_context(Bag(_as_ros2(source, job, say)))
            plan = Plan(bag, options, requests)
            job.check_space(size_of(source) + 2 * plan.bytes_added(settings))
        except AnyviewError:
            _drop_empty(job)
            raise
        for note in plan.notes:
            say(note)
        engine = open_engine()
        spools = {r.name: stack.enter_context(Spool(job.clips, r.name)) for r in requests}
        made = _Making(plan, settings, engine, spools)
        report = made.run(on_progress)
        copy = _Copying(plan, made, spools, _provenance(made, identity), source)
        copy.run(job.bag, on_progress)
    job.finish()
    return report


class Plan:
    """What a recording has, and whether the virtual cameras fit into it.

    Args:
        bag: open.
        options: how its cameras are taken.
        requests: the virtual cameras.

    Raises:
        AnyviewError: `no_cameras`, `unknown_camera`, `unknown_topic`, `no_images`,
            `ambiguous_tf`, `same_frame_id`, `name_taken`, `frame_taken`, `unknown_source`,
            `tf_unknown_frame`.
    """

    def __init__(self, bag: Bag, options: BagOptions, requests: Sequence[CameraRequest]) -> None:
        self.bag, self.options, self.requests = bag, options, requests
        choice = CameraChoice(bag, options)
        self.cameras = choice.cameras()
        self.notes = [f"camera {name}: {c.topic}" for name, c in self.cameras.items()]
        self.notes += [f"not a camera: {t}, {why}" for t, why in choice.no_cameras.items()]
        self._firsts = {name: self._first(name, c) for name, c in self.cameras.items()}
        self._check_frame_ids()
        self.tf_topics = self._tree_topics()
        self._check_names()
        self._check_frames()
        self.counts = bag.files.counts()

    @property
    def images(self) -> int:
        """Return how many images the source cameras have, as far as the files say."""
        topics = {camera.topic for camera in self.cameras.values()}
        return sum(self.counts[topic] for topic in topics)

    def tf_topic(self, static: bool) -> str:
        """Return the topic of the tree for frames that stand, or that move."""
        for topic in self.tf_topics:
            if topic.endswith(f"/{STATIC}") == static:
                return topic
        return f"/{STATIC}" if static else "/tf"

    def bytes_added(self, settings: Settings) -> int:
        """Return about how many bytes the virtual cameras' messages will have."""
        share = {"raw": 1.0, "jpeg": JPEG_SHARE, "both": 1 + JPEG_SHARE}[settings.images]
        total = 0.0
        for request in self.requests:
            name = (request.sources or tuple(self.cameras))[0]
            width, height = request.size or self._size(name)
            total += self.counts[self.cameras[name].topic] * (3 * width * height * share + 2048)
        return int(total)

    def _first(self, name: str, camera: ChosenCamera) -> RecordedMessage:
        first = next(iter(self.bag.recorded({camera.topic})), None)
        if first is None:
            raise AnyviewError(
                "no_images",
                f"no image was recorded on '{camera.topic}'; leave '{name}' out (--sources)",
            )
        return first

    def _size(self, name: str) -> tuple[int, int]:
        first = self._firsts[name]
        message = self.bag.message(first)
        is_file = first.message_type == COMPRESSED_TYPE
        return check_compressed(message) if is_file else check_encoding(message)

    def _check_frame_ids(self) -> None:
        seen: dict[str, str] = {}
        for name, first in self._firsts.items():
            frame = self.options.camera(name).frame_id or first.frame_id.removeprefix("/")
            other = seen.setdefault(frame, name)
            if frame and other != name:
                raise AnyviewError(
                    "same_frame_id",
                    f"'{other}' and '{name}' name one optical frame, '{frame}', and would stand in "
                    f"one place; name that of one of them, as in -p {name}.frame_id:="
                    f"{name}_optical_frame, or leave it out (--sources)",
                )

    def _tree_topics(self) -> list[str]:
        trees = TfTrees(self.bag, self.options.tf_topics)
        found = {name: trees.topics(c.topic) for name, c in self.cameras.items()}
        first = next(iter(found))
        for name, topics in found.items():
            if topics != found[first]:
                raise AnyviewError(
                    "ambiguous_tf",
                    f"'{first}' and '{name}' are placed by different TF trees "
                    f"({', '.join(found[first])}; {', '.join(topics)}); take the cameras of one "
                    "robot (--sources), or name the topics of one tree (--tf-topics)",
                )
        return found[first]

    def _check_names(self) -> None:
        there = self.bag.virtual_cameras()
        taken = {topic.split("/")[-2] for topic in self.bag.types() if f"/{OUTPUT}/" in topic}
        for request in self.requests:
            if request.name in self.cameras or request.name in there or request.name in taken:
                what = "source" if request.name in self.cameras else "virtual"
                raise AnyviewError(
                    "name_taken",
                    f"the bag has a {what} camera '{request.name}' already; name the new one "
                    "otherwise",
                )
            for source in request.sources:
                if source not in self.cameras:
                    raise AnyviewError(
                        "unknown_source",
                        f"camera '{request.name}': no source camera '{source}'; there are: "
                        f"{', '.join(self.cameras)}",
                    )

    def _check_frames(self) -> None:
        """Look for the frames that virtual cameras stand on, as far into TF as is needed."""
        own = {request.frame_id for request in self.requests}
        wanted = {frame for r in self.requests for frame in r.placement.frames if frame}
        missing = {self.options.fixed_frame, *wanted} - own
        seen: set[str] = set()
        for transform in self._all_transforms():
            child = transform.child_frame_id.removeprefix("/")
            seen |= {child, transform.header.frame_id.removeprefix("/")}
            if child in own:
                raise AnyviewError(
                    "frame_taken",
                    f"the bag has a frame '{child}' already; name that camera otherwise",
                )
            if missing <= seen:
                return
        if missing:
            raise AnyviewError(
                "tf_unknown_frame",
                f"no frame '{sorted(missing - seen)[0]}' in the recorded TF "
                f"({', '.join(self.tf_topics) or 'none was recorded'}), frames there are: "
                f"{', '.join(sorted(seen)) or 'none'}; name one of these",
            )

    def _all_transforms(self) -> Iterator[Any]:
        for topic in sorted(self.tf_topics, key=lambda topic: not topic.endswith(f"/{STATIC}")):
            for message in self.bag.messages(topic):
                yield from message.transforms


class _Making:
    """The first half: every clip of every virtual camera, into the spools."""

    def __init__(
        self, plan: Plan, settings: Settings, made_by: MadeBy, spools: Mapping[str, Spool]
    ) -> None:
        self.plan, self.settings, self.made_by = plan, settings, made_by
        contract, ahead = made_by.package.contract, settings.memory == "both"
        self.types = AnswerTypes()
        config = IntakeConfig.of(contract, settings.source_size)
        config = replace(config, memory=memory_limits(settings, contract))
        buffer_s = BUFFER_S + (settings.memory_s if ahead else 0.0)
        self._reading = Reading(
            plan.bag, plan.cameras, plan.options, config, plan.tf_topics, buffer_s
        )
        cut = Cut(
            contract,
            config,
            settings.sampling,
            plan.options.fixed_frame,
            buffer_s,
            int(settings.memory_s * NS) if ahead else 0,
        )
        self._sources = Sources(cut, self._reading.intakes(), plan.options.ignore_frames)
        provider = PROVIDERS[made_by.provider]
        maker = Maker(contract.name, made_by.package.sha256, provider, settings.sampling.seed)
        self.messages = {
            request.name: AnswerMessages(
                self.types,
                request,
                settings.images,
                plan.tf_topic(static=False),
                plan.options.fixed_frame,
                maker,
                queue_frames=2 * max(contract.frames),
            )
            for request in plan.requests
        }
        self.targets = [
            Target(r, self._sources, made_by.engine, self.messages[r.name], spools[r.name])
            for r in plan.requests
        ]

    def run(self, on_progress: Progress) -> Report:
        total = self.plan.images
        for event in self._reading.events():
            is_changed = self._sources.take(event)
            if isinstance(event, PosedFrame):
                on_progress("making", event.images, total)
                for target in self.targets:
                    target.stream.note(event.camera, event.frame.stamp_ns, is_changed)
            for target in self.targets:
                target.advance()
        for target in self.targets:
            target.end()
        on_progress("making", total, total)
        return self._report()

    def _report(self) -> Report:
        lines, answered = [], 0
        for target in self.targets:
            counts = target.stream.status().ledger
            answered += counts.published
            sources = ", ".join(target.stream.sources or target.request.sources) or "no source"
            lines.append(f"{target.request.name}: {counts.published} frames from {sources}")
            for code, count in sorted(counts.skipped.items()):
                why = f", e.g. {target.problems[code]}" if code in target.problems else ""
                lines.append(f"  {count} frames not answered: {code}{why}")
        for name, intake in self._reading.intakes().items():
            texts = {problem.code: problem.text for problem in intake.noted()}
            for code, count in sorted(intake.ledger.snapshot().dropped.items()):
                if code != "off_grid":
                    lines.append(f"{name}: {count} images not used: {code}, e.g. {texts.get(code)}")
        lines += [f"unreadable, copied as it is: {part}" for part in self.plan.bag.damage]
        if not answered:
            raise AnyviewError(
                "nothing_augmented",
                "not one frame of a virtual camera could be made; mend what is named here, or "
                "take other cameras (--sources):\n  " + "\n  ".join(lines),
            )
        return Report(tuple(lines), answered)


class _Copying:
    """The second half: the files of the recording, with the answers among their messages."""

    def __init__(
        self,
        plan: Plan,
        made: _Making,
        spools: Mapping[str, Spool],
        notes: dict[str, str],
        source: Path,
    ) -> None:
        self._plan, self._made, self._spools = plan, made, spools
        self._notes, self._source = notes, source

    def run(self, folder: Path, on_progress: Progress) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        bag = self._plan.bag
        files = list(bag.files.by_name().values())
        total, done = sum(file.path.stat().st_size for file in files), 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            on_progress("copying", done, total)

        topics = self._topics()
        definitions = {t.message_type: self._made.types.definition(t.message_type) for t in topics}
        pack = _packed if bag.files.packed else lambda raw: raw
        addition = Addition(tuple(topics), definitions, self._notes, pack)
        answers, written = Answers(self._answers()), list[FileSummary]()
        for k, file in enumerate(files):
            is_mcap = isinstance(file, McapFile)
            kind, last = (McapCopy, last_of_mcap) if is_mcap else (SqliteCopy, last_of_sqlite)
            until_ns = 2**63 if k == len(files) - 1 else last(file.path)
            target = folder / file.path.name
            written.append(kind(file.path, target, addition).write(answers, until_ns, advance))
        before = read_metadata(bag.path) if bag.path.is_dir() else None
        storage = "mcap" if isinstance(files[0], McapFile) else "sqlite3"
        notes, packed = self._notes, bag.files.packed
        text = metadata_text(before, written, storage, packed, notes)
        (folder / METADATA).write_text(text, encoding="utf-8")

    def _topics(self) -> list[AddedTopic]:
        topics: dict[str, AddedTopic] = {}
        for messages in self._made.messages.values():
            topics |= {topic.name: topic for topic in messages.topics()}
        if any(isinstance(request.placement, Standing) for request in self._plan.requests):
            name = self._plan.tf_topic(static=True)
            topics[name] = AddedTopic(name, TF, reliable(LATCHED_DEPTH, latched=True))
        return list(topics.values())

    def _answers(self) -> Iterator[Answer]:
        """Yield all answers in the order of recording; frames that stand come first."""
        plan = self._plan
        made = [spool.answers() for spool in self._spools.values()]
        first = next(iter(plan.bag.recorded(plan.bag.types())), None)
        start_ns = first.time_ns if first is not None else 0
        standing = standing_frames(
            self._made.types, plan.requests, plan.options.fixed_frame, start_ns
        )
        if standing is not None:
            yield Answer(start_ns, plan.tf_topic(static=True), standing)
        yield from merge(*made, key=lambda answer: answer.time_ns)


def _as_ros2(source: Path, job: Job, say: Callable[[str], object]) -> Path:
    """Return a recording of ROS 2: the source itself, or what is made of a ROS 1 bag."""
    if not source.is_file():
        return source
    with source.open("rb") as file:
        if not file.read(len(ROS1)).startswith(ROS1):
            return source
    say(f"'{source}' is a ROS 1 bag: its messages are converted, not copied byte for byte")
    if not (job.converted / METADATA).is_file():
        shutil.rmtree(job.converted, ignore_errors=True)
        convert = _converter()
        with contextlib.redirect_stdout(io.StringIO()):
            convert(source, job.converted)
    return job.converted


def _converter() -> Callable[[Path, Path], None]:
    from rosbags.convert.converter import ConverterError
    from rosbags.convert.converter import convert as rosbags_convert

    def convert(source: Path, made: Path) -> None:
        every: list[str] = []
        try:
            rosbags_convert(
                [source], made, "mcap", 9, None, "none", None, None, every, every, every, every
            )
        except ConverterError as error:
            raise AnyviewError(
                "unreadable_bag",
                f"'{source}' cannot be read: {' '.join(str(error).split())[:120]}; if the recorder "
                "was killed, `rosbag reindex` helps",
            ) from None

    return convert


def _packed(raw: bytes) -> bytes:
    from rosbags.rosbag2.reader import zstd  # type: ignore[attr-defined]

    return bytes(zstd.compress(raw))


def _check_sampling(contract: Contract, sampling: SynthesisOptions) -> None:
    if not 0 <= sampling.seed <= MAX_SEED:
        raise AnyviewError("invalid_seed", f"seed must be 0..{MAX_SEED}, got {sampling.seed}")
    check_sampling(contract, sampling)


def _drop_empty(job: Job) -> None:
    """Drop the folder of a job that was refused before anything was made."""
    if not any(job.clips.iterdir()):
        shutil.rmtree(job.folder)


def _identity(
    source: Path, cameras: Path, options: BagOptions, settings: Settings, package: ModelPackage
) -> dict[str, Any]:
    """Return all that the output follows from, but for the provider."""
    taken = asdict(options)
    for camera in taken["of_camera"].values():
        if path := str(camera["camera_info_url"]).removeprefix("file://"):
            camera["calibration"] = identity_of(Path(path)) if Path(path).is_file() else path
    return {
        "bag": identity_of(source),
        "cameras": cameras.read_text(encoding="utf-8"),
        "options": taken,
        "settings": asdict(settings),
        "model": package.contract.name,
        "model_sha256": package.sha256,
        "version": __version__,
    }


def _provenance(made: _Making, identity: dict[str, Any]) -> dict[str, str]:
    """Return texts for the metadata, by name: what is synthetic, and how it was made."""
    names = [request.name for request in made.plan.requests]
    folders = ", ".join(f"/{OUTPUT}/{name}" for name in names)
    told = {
        "version": identity["version"],
        "model": identity["model"],
        "model_sha256": identity["model_sha256"],
        "provider": PROVIDERS[made.made_by.provider],
        "synthetic": [f"/{OUTPUT}/{name}" for name in names],
        "sources": {t.request.name: t.stream.sources for t in made.targets},
        "settings": identity["settings"],
        "options": identity["options"],
        "cameras": identity["cameras"],
    }
    words = f"{WORDS[SYNTHETIC]} All below: {folders}"
    return {BAG_KEY: words, NOTE: json.dumps(told, sort_keys=True)}
