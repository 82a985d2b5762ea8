"""The cameras and transforms of a recording as the node would have received them.

A thread reads, decodes, rectifies and poses ahead of the model, within bounds. What it gives
follows from the recording alone, so that it does not matter how far ahead it is.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from anyview_ros.clips.intake.camera_intake import CameraIntake
from anyview_ros.clips.intake.intake_config import TF_MARGIN_S, IntakeConfig, buffer_limits
from anyview_ros.clips.intake.source_options import SourceOptions
from anyview_ros.clips.transform_buffer import StampedLink, TransformBuffer, stamped_link
from anyview_ros.datasets.bag import Bag, RecordedMessage
from anyview_ros.datasets.bag_choice import (
    BagOptions,
    CameraOptions,
    ChosenCamera,
    calibration_path,
)
from anyview_ros.datasets.bag_transforms import STATIC
from anyview_ros.datasets.calibration_file import read_calibration
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Frame
from anyview_ros.imaging.lenses import RectifiedCamera
from anyview_ros.topics import COMPRESSED, COMPRESSED_TYPE, Transport

QUEUE_BATCHES = 16  # of a frame and the transforms before it, that are read ahead
BATCH_EVENTS = 64  # for each batch wakes a thread
RETRY_NS = 100_000_000  # of recorded time: as often waiting frames are looked at again
TF_WAIT_S = TF_MARGIN_S  # of recorded time: how late the transform of a frame may be
REMEMBERED_TIMES = 4096  # of images on their way
HOPELESS = 100  # frames of a camera that are dropped before the first is used


@dataclass(frozen=True, eq=False)
class PosedFrame:
    """A frame as it goes into the buffer.

    Args:
        camera: name of its source.
        frame: see `Frame`.
        seen_by: the camera at its own size.
        time_ns: when the image was recorded.
        images: that were read of all cameras so far.
    """

    camera: str
    frame: Frame
    seen_by: RectifiedCamera
    time_ns: int
    images: int


@dataclass(frozen=True, eq=False)
class Transforms:
    """Transforms of one message; those that are none are left out, as the node does."""

    links: tuple[StampedLink, ...]
    static: bool


Event = PosedFrame | Transforms
_END = object()


class Tree:
    """A TF tree that grows while the recording is read.

    Args:
        buffer_s: how far behind the newest transform it is asked.
    """

    def __init__(self, buffer_s: float) -> None:
        self.buffer = TransformBuffer(int((buffer_s + TF_MARGIN_S) * 1e9))

    def insert(self, event: Transforms) -> None:
        """Add transforms; those that are too old are left out, as the node does."""
        for link in event.links:
            with suppress(AnyviewError):
                self.buffer.store(link, event.static)


class _Camera:
    """The intake of one camera, and the frames that came out of it."""

    intake: CameraIntake

    def __init__(self, chosen: ChosenCamera, own: CameraOptions) -> None:
        self.chosen = chosen
        self.frame_id = own.frame_id
        path = calibration_path(own)
        self.calibration = read_calibration(path) if path is not None else None
        self.times: OrderedDict[int, int] = OrderedDict()  # of recording, by stamp
        self.frames: list[Frame] = []
        self.posed = 0

    def add(self, frame: Frame) -> bool:
        self.frames.append(frame)
        self.posed += 1
        return False

    def clear(self) -> None:
        self.frames.clear()


class Reading:
    """Reads a recording once, in the order of recording.

    Args:
        bag: open.
        cameras: that are read, by name.
        options: how.
        config: how frames are stored.
        tf_topics: of the tree.
        buffer_s: see `Tree`.
    """

    def __init__(
        self,
        bag: Bag,
        cameras: Mapping[str, ChosenCamera],
        options: BagOptions,
        config: IntakeConfig,
        tf_topics: Collection[str],
        buffer_s: float,
    ) -> None:
        self._bag, self._options, self._tf_topics = bag, options, tf_topics
        self._tree = Tree(buffer_s)
        self._ignored = frozenset(options.ignore_frames)
        self._now_ns = 0
        self._images = 0
        self._jumped: AnyviewError | None = None
        self._cameras = {
            name: self._camera(name, chosen, config) for name, chosen in cameras.items()
        }
        self._batches: queue.Queue[Any] = queue.Queue(QUEUE_BATCHES)
        self._stopping = threading.Event()

    def intakes(self) -> dict[str, CameraIntake]:
        """Return the intakes by camera, for their counts and problems."""
        return {name: camera.intake for name, camera in self._cameras.items()}

    def events(self) -> Iterator[Event]:
        """Yield frames and transforms; the thread that reads them ends with the iterator.

        Raises:
            AnyviewError: `clock_jump`; why not one frame of a camera can be used.
        """
        thread = threading.Thread(target=self._run, name="reading", daemon=True)
        thread.start()
        try:
            while (batch := self._batches.get()) is not _END:
                if isinstance(batch, BaseException):
                    raise batch
                yield from batch
        finally:
            self._stopping.set()
            thread.join()

    def _run(self) -> None:
        batch, end = list[Event](), _END
        try:
            for event in self._read():
                batch.append(event)
                if isinstance(event, PosedFrame) or len(batch) == BATCH_EVENTS:
                    self._put(batch)
                    batch = []
        except BaseException as error:
            end = error
        self._put(batch)
        self._put(end)

    def _put(self, batch: Any) -> None:
        while not self._stopping.is_set():
            with suppress(queue.Full):
                self._batches.put(batch, timeout=0.1)
                return

    def _camera(self, name: str, chosen: ChosenCamera, config: IntakeConfig) -> _Camera:
        own = self._options.camera(name)
        compressed = self._bag.types()[chosen.topic] == COMPRESSED_TYPE
        transport: Transport = "compressed" if compressed else "raw"
        topic = chosen.topic.removesuffix(COMPRESSED) if compressed else chosen.topic
        camera = _Camera(chosen, own)
        camera.intake = CameraIntake(
            options=SourceOptions(
                name=name,
                image_topic=topic,
                info_topic=chosen.info_topic,
                fixed_frame=self._options.fixed_frame,
                limits=buffer_limits(1.0, config.frame_period),  # of a buffer that stays empty
                transport=transport,
                rectify=own.rectify or self._options.rectify,
                tf_timeout_s=TF_WAIT_S,
            ),
            config=config,
            lookup=self._tree.buffer.lookup,
            on_epoch=self._on_jump,
            now_ns=lambda: self._now_ns,
            store=camera,
        )
        return camera

    def _on_jump(self, camera: str, reason: str) -> None:
        self._jumped = AnyviewError(
            "clock_jump",
            f"'{camera}': {reason}: a loop or a restart was recorded; split the bag there",
        )

    def _read(self) -> Iterator[Event]:
        yield from self._static_transforms()
        self._first_infos()
        by_topic: dict[str, list[_Camera]] = {}
        for camera in self._cameras.values():
            by_topic.setdefault(camera.chosen.topic, []).append(camera)
        infos: dict[str, list[_Camera]] = {}
        for camera in self._cameras.values():
            if camera.calibration is None:
                infos.setdefault(camera.chosen.info_topic, []).append(camera)
        retried_ns = 0
        for recorded in self._bag.recorded({*by_topic, *infos, *self._tf_topics}):
            self._now_ns = max(self._now_ns, recorded.time_ns)
            if recorded.topic in self._tf_topics:
                event = self._transforms(recorded)
                if event is not None:
                    yield event
                    retried_ns = 0
            for camera in by_topic.get(recorded.topic, ()):
                self._images += 1
                self._take_image(camera, recorded)
            for camera in infos.get(recorded.topic, ()):
                self._take_info(camera, recorded)
            if self._now_ns - retried_ns >= RETRY_NS:
                retried_ns = self._now_ns
                for camera in self._cameras.values():
                    camera.intake.retry()
            yield from self._posed()
        self._now_ns += int(1e9 * (TF_WAIT_S + 1))
        for camera in self._cameras.values():
            camera.intake.retry()
        yield from self._posed()

    def _posed(self) -> Iterator[PosedFrame]:
        if self._jumped is not None:
            raise self._jumped
        for name, camera in self._cameras.items():
            last = camera.intake.last_camera
            frames, camera.frames = camera.frames, []
            for frame in frames:
                assert last is not None, "a frame was posed"
                time_ns = camera.times.pop(frame.stamp_ns, self._now_ns)
                yield PosedFrame(name, frame, last[0], time_ns, self._images)

    def _static_transforms(self) -> Iterator[Transforms]:
        """Yield what is known of frames that stand before anything else: it may come late."""
        known: set[str] = set()
        for topic in self._tf_topics:
            if not topic.endswith(f"/{STATIC}"):
                continue
            for message in self._bag.messages(topic):
                new = [t for t in message.transforms if t.child_frame_id not in known]
                known |= {transform.child_frame_id for transform in new}
                yield self._inserted(new, static=True)

    def _first_infos(self) -> None:
        """Give every camera its first camera info: one that is sent once may come late."""
        for camera in self._cameras.values():
            if camera.calibration is not None:
                continue
            first = next(iter(self._bag.recorded({camera.chosen.info_topic})), None)
            if first is not None:
                self._take_info(camera, first)

    def _transforms(self, recorded: RecordedMessage) -> Transforms | None:
        message = self._message(recorded)
        if message is None:
            return None
        return self._inserted(message.transforms, recorded.topic.endswith(f"/{STATIC}"))

    def _inserted(self, transforms: Iterable[Any], static: bool) -> Transforms:
        """Read transforms once for all trees, and add them to the own one."""
        links = []
        for transform in transforms:
            with suppress(AnyviewError):  # it is none
                link = stamped_link(transform)
                if not {link.link.parent, link.child} & self._ignored:
                    links.append(link)
        event = Transforms(tuple(links), static)
        self._tree.insert(event)
        return event

    def _take_image(self, camera: _Camera, recorded: RecordedMessage) -> None:
        message = self._message(recorded)
        if message is None:
            return
        if camera.frame_id:
            message.header.frame_id = camera.frame_id
        message.header.frame_id = message.header.frame_id.removeprefix("/")
        camera.times.setdefault(recorded.stamp_ns, recorded.time_ns)
        if len(camera.times) > REMEMBERED_TIMES:
            camera.times.popitem(last=False)
        if camera.calibration is not None:
            header = SimpleNamespace(stamp=message.header.stamp, frame_id="")
            info = SimpleNamespace(**{**vars(camera.calibration), "header": header})
            camera.intake.on_info(info)  # type: ignore[arg-type]
        camera.intake.on_image(message)
        self._check_hope(camera)

    def _take_info(self, camera: _Camera, recorded: RecordedMessage) -> None:
        message = self._message(recorded)
        if message is not None:
            if camera.frame_id:  # a user named it, whatever the infos say
                message.header.frame_id = camera.frame_id
            camera.intake.on_info(message)

    def _message(self, recorded: RecordedMessage) -> Any:
        try:
            return self._bag.message(recorded)
        except AnyviewError as error:
            self._bag.note(error.message)
            return None

    def _check_hope(self, camera: _Camera) -> None:
        """Raise why no frame of a camera was used, once many were not: hours would be lost."""
        counts = camera.intake.ledger.snapshot()
        lost = {code: n for code, n in counts.dropped.items() if code != "off_grid"}
        if camera.posed or sum(lost.values()) < HOPELESS:
            return
        code = max(lost, key=lambda code: lost[code])
        texts = {problem.code: problem.text for problem in camera.intake.noted()}
        raise AnyviewError(
            code,
            f"none of the first {counts.received} images can be used: {texts.get(code, code)}; "
            "leave that camera out (--sources), or mend what is named here",
        )
