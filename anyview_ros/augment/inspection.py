"""What a recording holds for `augment`: cameras, their times, calibration and place; what lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from anyview_ros.augment.camera_inspection import CameraInspector, InspectedCamera
from anyview_ros.augment.plan import Plan
from anyview_ros.datasets.bag import Bag
from anyview_ros.datasets.bag_cameras import recorded_images
from anyview_ros.datasets.bag_choice import VIDEO, BagOptions, CameraChoice, ChosenCamera
from anyview_ros.datasets.bag_mcap import McapFile
from anyview_ros.datasets.bag_transforms import RecordedTransforms, TfTrees
from anyview_ros.datasets.stream_times import Sync, sync
from anyview_ros.errors import AnyviewError
from anyview_ros.topics import COMPRESSED, COMPRESSED_TYPE, IMAGE_TYPE, OUTPUT, camera_name

SHORT_S = 1e-3  # over which no rate is told


@dataclass(frozen=True)
class Storage:
    """The files of a recording.

    Args:
        kinds: `mcap`, `sqlite3`; one an entry.
        compression: empty, `message` or `file`; that within an mcap is not told.
        files: how many.
        duration_s: between the first and the last message, as far as the files say; so are
            `messages` and `topics`.
    """

    kinds: tuple[str, ...]
    compression: str
    files: int
    duration_s: float
    messages: int
    topics: int


@dataclass(frozen=True)
class TreeLink:
    """A frame below another.

    Args:
        static: whether it stands.
        transforms: how many were recorded.
        rate_hz: of a frame that moves; 0 where it stands, or was told of at one time only.
    """

    parent: str
    child: str
    static: bool
    transforms: int
    rate_hz: float


@dataclass(frozen=True)
class TfTree:
    """A recorded TF tree; `tops` are frames without a parent, of a whole tree there is one."""

    topics: tuple[str, ...]
    tops: tuple[str, ...]
    links: tuple[TreeLink, ...]


@dataclass(frozen=True)
class LeftOut:
    """A topic that is no camera's, and why."""

    topic: str
    reason: str


@dataclass(frozen=True)
class Inspection:
    """Tell what is in a recording.

    Args:
        storage: None where it cannot be opened.
        cameras: by the names that they would have.
        sync: of these; None of less than two.
        fixed_frame: that would be taken.
        virtual_cameras: that it has already.
        problems: for which `augment` would refuse it, those of its cameras included.
        unreadable: what is damaged, a line each.
        advice: options with which it can be used.
        stamps_ns: of the images, increasing, by camera.
    """

    storage: Storage | None = None
    cameras: tuple[InspectedCamera, ...] = ()
    sync: Sync | None = None
    fixed_frame: str = ""
    tf: tuple[TfTree, ...] = ()
    virtual_cameras: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    problems: tuple[AnyviewError, ...] = ()
    unreadable: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    stamps_ns: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Return whether `augment` would take it as it is."""
        return bool(self.cameras) and not self.problems


def inspect(
    bag: Bag, options: BagOptions, on_image: Callable[[], object] = lambda: None
) -> Inspection:
    """Look at a recording, once through its TF and once through its images.

    Args:
        bag: open.
        options: how its cameras are taken.
        on_image: called after each image whose stamp was read.
    """
    choice, problems = CameraChoice(bag, options), []
    chosen: dict[str, ChosenCamera] = {}
    trees: dict[int, RecordedTransforms] = {}
    cameras: list[InspectedCamera] = []
    stamps: dict[str, Sequence[int]] = {}
    try:
        chosen = choice.cameras()
        inspector = CameraInspector(bag, options, _trees(bag, options))
        images = recorded_images(bag, {c.topic for c in chosen.values()}, on_image)
        for name, camera in chosen.items():
            found, stamps[name] = inspector.inspected(name, camera, images[camera.topic])
            cameras.append(found)
        trees = {id(tree): tree for tree in inspector.trees()}
    except AnyviewError as error:
        problems.append(error)
        with suppress(AnyviewError):
            trees = {0: _trees(bag, options).of("/")}
    problems += [problem for camera in cameras for problem in camera.problems]
    if cameras:
        known = {problem.code for problem in problems}
        problems += [error for error in _refusal(bag, options) if error.code not in known]
    return Inspection(
        storage_of(bag),
        tuple(cameras),
        sync(stamps),
        options.fixed_frame,
        tuple(map(_tree, trees.values())),
        tuple(sorted(bag.virtual_cameras())),
        tuple(_left_out(bag, choice, chosen)),
        tuple({(p.code, p.message): p for p in problems}.values()),
        tuple(bag.damage),
        tuple(_advice(bag, options, cameras, list(trees.values()))),
        stamps,
    )


def storage_of(bag: Bag) -> Storage:
    """Return what the files of a recording say of themselves."""
    files = bag.files.by_name()
    is_unpacked = any(file.path.name != name for name, file in files.items())
    first_ns, last_ns = bag.files.times_ns()
    kinds = {"mcap" if isinstance(file, McapFile) else "sqlite3" for file in files.values()}
    return Storage(
        tuple(sorted(kinds)),
        "message" if bag.files.packed else "file" if is_unpacked else "",
        len(files),
        max(0, last_ns - first_ns) / 1e9,
        bag.files.counts().total(),
        len(bag.types()),
    )


def _trees(bag: Bag, options: BagOptions) -> TfTrees:
    return TfTrees(bag, options.tf_topics, options.ignore_frames, standing=True)


def _refusal(bag: Bag, options: BagOptions) -> list[AnyviewError]:
    """Return why `augment` would not begin, apart from what single cameras lack."""
    try:
        Plan(bag, options, [])
    except AnyviewError as error:
        return [error]
    return []


def _advice(
    bag: Bag,
    options: BagOptions,
    cameras: Sequence[InspectedCamera],
    trees: Sequence[RecordedTransforms],
) -> list[str]:
    advice = []
    if trees and not any(options.fixed_frame in tree.frames() for tree in trees):
        tops = sorted({camera.chain[-1] for camera in cameras if len(camera.chain) > 1})
        advice += [f"take another fixed frame: --fixed-frame {top}" for top in tops]
    clean = [camera.name for camera in cameras if not camera.problems]
    if 0 < len(clean) < len(cameras) and not _refusal(bag, replace(options, cameras=(*clean,))):
        advice.append(f"leave out the others: --sources {' '.join(clean)}")
    return advice


def _tree(tree: RecordedTransforms) -> TfTree:
    links = []
    for child, link in sorted(tree.links.items()):
        span_s = (link.last_ns - link.first_ns) / 1e9
        rate = 0.0 if link.static or span_s < SHORT_S else (link.count - 1) / span_s
        links += [TreeLink(p, child, link.static, link.count, rate) for p in link.parents]
    tops = tuple(frame for frame in tree.frames() if frame not in tree.links)
    return TfTree(tree.topics, tops, tuple(links))


def _left_out(bag: Bag, choice: CameraChoice, chosen: dict[str, ChosenCamera]) -> list[LeftOut]:
    """Return every topic of images that no camera takes, once."""
    types = bag.types()
    found = dict(choice.no_cameras)
    for name, camera in chosen.items():
        for topic in camera.others:
            found.setdefault(topic, f"{name} takes {camera.topic}")
    taken = {camera.topic for camera in chosen.values()}
    for topic, message_type in types.items():
        is_image = message_type in (IMAGE_TYPE, COMPRESSED_TYPE)
        if message_type.endswith(VIDEO):
            found[topic] = f"video ({message_type}): decode it to sensor_msgs/Image and record that"
        elif is_image and topic not in taken and OUTPUT not in topic.split("/")[:-1]:
            found.setdefault(topic, _why_not_taken(topic, taken, types))
    for encoding, topics in bag.foreign.items():
        found |= dict.fromkeys(topics, f"of another encoding ({encoding}), not read")
    return [LeftOut(topic, why) for topic, why in sorted(found.items())]


def _why_not_taken(topic: str, taken: set[str], types: dict[str, str]) -> str:
    base = topic.removesuffix(COMPRESSED)
    info = f"{base.rpartition('/')[0]}/camera_info"
    if base in taken:
        return f"{base} has the same images raw"
    if info in types:
        return "not asked for, or another topic of this camera was taken"
    name = camera_name(base, "/")
    return f"no {info} beside it (-p {name}.camera_info_topic:=TOPIC names another)"
