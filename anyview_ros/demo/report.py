"""Every figure of a recorded bag, from the bag alone: pairs, stamps, ledger, times and PSNR."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

from anyview_ros import diagnostic_keys as keys
from anyview_ros.datasets.bag import Bag, sibling
from anyview_ros.demo.comparison import (
    PROVENANCE,
    Compared,
    Image,
    compared_moments,
    mean_colour_like,
    provenance_of,
    resized_like,
)
from anyview_ros.demo.truth import Truth
from anyview_ros.evaluation.metrics import psnr
from anyview_ros.imaging.message_fields import stamp_ns
from anyview_ros.whole_file import whole_file

STAGES = ("queue_s", "condition_s", "denoise_s", "decode_s")
DIAGNOSTICS_TYPE = "diagnostic_msgs/msg/DiagnosticArray"
NO_LEDGER = "no ledger in /diagnostics was recorded: where the received frames went is not known"
NO_VIRTUAL_CAMERA = (
    "no virtual camera (virtual/NAME/image_raw) was recorded: only sources are told of"
)

Ledger = Mapping[str, int]


@dataclass(frozen=True)
class StreamFigures:
    """One camera's images and camera infos.

    Args:
        images, infos: how many were recorded.
        unpaired: images without a camera info of the same stamp, and the other way round.
        repeated_stamps: images whose stamp an earlier image of the camera had.
        gaps: steps between images longer than one and a half of the usual step: frames that the
            driver or the recording lost. 0 for a virtual camera, silent between two clips.
    """

    topic: str
    images: int
    infos: int
    unpaired: int
    repeated_stamps: int
    gaps: int


@dataclass(frozen=True)
class QualityFigures:
    """Mean PSNR in dB against the rendered truth, over the frames that could be compared.

    Args:
        frames: how many those are.
        virtual: of the published frames.
        copy_of_source: of the first source's image, resized.
        mean_colour: of one colour, the mean of that image.
    """

    frames: int
    virtual: float
    copy_of_source: float
    mean_colour: float


@dataclass(frozen=True)
class VirtualFigures:
    """What a virtual camera published.

    Args:
        wrong_stamps: frames whose stamp is not that of the recorded source frame they name.
        without_provenance: frames without a SynthesisInfo.
        stages_s: median seconds of each stage of a clip.
        latency_s: median seconds from a clip's newest source stamp to publication.
        quality: None where there is no truth.
        obstacles: how often, and why, a frame could not be compared although there is a world.
    """

    stream: StreamFigures
    sources: tuple[str, ...]
    model: str
    provider: str
    steps: int
    wrong_stamps: int
    without_provenance: int
    stages_s: Mapping[str, float]
    latency_s: float
    quality: QualityFigures | None
    obstacles: Mapping[str, int]


@dataclass(frozen=True)
class Report:
    """All figures of a bag.

    Args:
        truth: whose truth the PSNR is against, or why there is none.
        sources, virtual: by camera name.
        ledgers: last ledger of each camera in /diagnostics, by camera name; behind the node's
            name where several were recorded.
        faults: what is wrong, each in a sentence; empty for a good bag.
        notes: what was assumed, and what could not be looked at because it was not recorded.
    """

    truth: str
    sources: Mapping[str, StreamFigures]
    virtual: Mapping[str, VirtualFigures]
    ledgers: Mapping[str, Ledger]
    faults: tuple[str, ...]
    notes: tuple[str, ...]

    def write(self, file: Path) -> None:
        """Write JSON, every field under its own name."""
        with whole_file(file) as whole:
            whole.write_text(json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")


def report_of(
    bag: Bag, truth: Truth, watch: Callable[[tuple[Compared, ...]], None] = lambda moment: None
) -> Report:
    """Compute every figure of an open bag.

    Args:
        truth: `Truth.of(bag)`.
        watch: gets the virtual frames of each stamp, in order, as they are compared: rendering
            the truth is most of the work, and pictures of it need not do it again.
    """
    qualities = {name: _Quality() for name in bag.virtual_cameras()}
    for moment in compared_moments(bag, truth):
        for frame in moment:
            qualities[frame.camera].add(frame)
        watch(moment)
    sources = {n: stream_figures(bag, t, True) for n, t in bag.sources().items()}
    virtual = {
        name: virtual_figures(bag, topic, qualities[name])
        for name, topic in bag.virtual_cameras().items()
    }
    ledgers = _ledgers(bag)
    faults = (
        *_stream_faults({**sources, **{n: v.stream for n, v in virtual.items()}}),
        *_virtual_faults(virtual),
        *_ledger_faults(ledgers),
        *(f"unreadable: {part}" for part in bag.damage),
    )
    notes = (
        *([truth.note] if truth.note else []),
        *_not_recorded(sources, virtual),
        *([] if virtual else [NO_VIRTUAL_CAMERA]),
        *([] if ledgers else [NO_LEDGER]),
    )
    return Report(truth.origin, sources, virtual, dict(ledgers), faults, notes)


def stream_figures(bag: Bag, topic: str, steady: bool) -> StreamFigures:
    """Return pairs and repeats of one camera, and gaps where images should come steadily."""
    images, infos = bag.stamps(topic), bag.stamps(sibling(topic, "camera_info"))
    lonely = (Counter(images) - Counter(infos)) + (Counter(infos) - Counter(images))
    return StreamFigures(
        topic=topic,
        images=len(images),
        infos=len(infos),
        unpaired=lonely.total(),
        repeated_stamps=len(images) - len(set(images)),
        gaps=_gaps(images) if steady else 0,
    )


def virtual_figures(bag: Bag, topic: str, quality: _Quality) -> VirtualFigures:
    """Return all figures of one virtual camera."""
    provenance = provenance_of(bag, topic)
    there = sibling(topic, PROVENANCE) in bag.types()
    by_stamp = {stamp_ns(info.header.stamp): info for info in provenance}
    recorded = {n: frozenset(bag.stamps(t)) for n, t in bag.sources().items()}
    stamps = bag.stamps(topic)
    last: Any = provenance[-1] if provenance else None
    return VirtualFigures(
        stream=stream_figures(bag, topic, steady=False),
        sources=tuple(dict.fromkeys(last.sources)) if last else (),
        model=last.model if last else "",
        provider=last.provider if last else "",
        steps=int(last.steps) if last else 0,
        wrong_stamps=sum(not _is_source_stamp(s, by_stamp.get(s), recorded) for s in stamps),
        without_provenance=sum(s not in by_stamp for s in stamps) if there else 0,
        stages_s={stage: _median(getattr(p, stage) for p in provenance) for stage in STAGES},
        latency_s=_median(p.latency_s for p in provenance),
        quality=quality.figures(),
        obstacles=dict(quality.obstacles),
    )


class _Quality:
    """Gathers the PSNR of one virtual camera, frame by frame."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, float, float]] = []
        self.obstacles: Counter[str] = Counter()

    def add(self, frame: Compared) -> None:
        if frame.obstacle:
            self.obstacles[frame.obstacle] += 1
        source = frame.first_source
        if frame.truth is None or source is None:
            return
        candidates = (
            frame.virtual,
            resized_like(source, frame.truth),
            mean_colour_like(source, frame.truth),
        )
        virtual, copy, colour = (_psnr(image, frame.truth) for image in candidates)
        self._rows.append((virtual, copy, colour))

    def figures(self) -> QualityFigures | None:
        if not self._rows:
            return None
        virtual, copy, colour = (round(fmean(c), 3) for c in zip(*self._rows, strict=True))
        return QualityFigures(len(self._rows), virtual, copy, colour)


def _psnr(image: Image, truth: Image) -> float:
    """Return the PSNR of 8-bit images, at most 99 dB: equal images would make every mean
    infinite."""
    return min(psnr(image / 255.0, truth / 255.0), 99.0)


def _is_source_stamp(stamp: int, provenance: Any, recorded: Mapping[str, frozenset[int]]) -> bool:
    """Return whether a frame has its first source's stamp, and all sources' stamps are recorded
    ones.

    Keyframes may be of before the recording. A source that was not recorded says nothing.
    """
    if provenance is None:
        return not recorded or any(stamp in stamps for stamps in recorded.values())
    named = [stamp_ns(time) for time in provenance.source_stamps]
    pairs = list(zip(provenance.sources, named, strict=False))
    known = [(recorded[name], seen) for name, seen in pairs if name in recorded]
    there = [seen in stamps or seen < min(stamps, default=0) for stamps, seen in known]
    return named[:1] == [stamp] and all(there)


def _gaps(stamps: list[int]) -> int:
    steps = [b - a for a, b in pairwise(sorted(stamps))]
    return sum(step > 1.5 * median(steps) for step in steps)


def _median(values: Iterable[float]) -> float:
    values = [value for value in values if math.isfinite(value)]
    return round(median(values), 4) if values else 0.0


def _ledgers(bag: Bag) -> list[tuple[str, Ledger]]:
    """Return every ledger in /diagnostics beside its camera's name, in order of time."""
    found = list(_node_ledgers(bag))
    one_node = len({node for node, _, _ in found}) < 2
    return [(name if one_node else f"{node}: {name}", ledger) for node, name, ledger in found]


def _node_ledgers(bag: Bag) -> Iterator[tuple[str, str, Ledger]]:
    for topic in bag.topics(DIAGNOSTICS_TYPE):
        for message in bag.messages(topic):
            for status in message.status:
                node, subject = keys.parts(status) or ("", "")
                values = {v.key: v.value for v in status.values}
                if subject.startswith(keys.CAMERA) and keys.RECEIVED in values:
                    counts = {k: v for k, v in values.items() if _in_ledger(k)}
                    if not all(count.isdecimal() for count in counts.values()):
                        continue  # damaged
                    ledger = {k: int(v) for k, v in counts.items()}
                    yield node, subject.removeprefix(keys.CAMERA), ledger


def _in_ledger(key: str) -> bool:
    return key in (keys.RECEIVED, *keys.LEDGER_PARTS) or key.startswith(keys.DROPPED)


def _stream_faults(streams: Mapping[str, StreamFigures]) -> Iterator[str]:
    for name, figures in streams.items():
        if figures.unpaired:
            yield f"{name}: {figures.unpaired} images or camera infos without their pair"
        if figures.repeated_stamps:
            yield f"{name}: {figures.repeated_stamps} images repeat an earlier stamp"


def _not_recorded(
    sources: Mapping[str, StreamFigures], virtual: Mapping[str, VirtualFigures]
) -> Iterator[str]:
    for name, figures in virtual.items():
        missing = [source for source in figures.sources if source not in sources]
        if missing or not sources:
            of = ", ".join(missing) or "a source"
            yield f"{name}: no raw images of {of} were recorded to hold its stamps against"
        if not figures.sources:
            folder = figures.stream.topic.rpartition("/")[0]
            yield f"{name}: {folder}/{PROVENANCE} was not recorded: model and sources are not known"


def _virtual_faults(virtual: Mapping[str, VirtualFigures]) -> Iterator[str]:
    for name, figures in virtual.items():
        if figures.wrong_stamps:
            yield f"{name}: {figures.wrong_stamps} frames whose stamp is no source frame's"
        if figures.without_provenance:
            yield f"{name}: {figures.without_provenance} frames without a SynthesisInfo"
        for obstacle, count in figures.obstacles.items():
            yield f"{name}: {count} frames could not be compared with the truth: {obstacle}"


def _ledger_faults(ledgers: list[tuple[str, Ledger]]) -> Iterator[str]:
    broken = Counter(name for name, ledger in ledgers if not balanced(ledger))
    for name, count in broken.items():
        yield f"{name}: {count} ledgers do not balance: received is not the sum of the rest"


def balanced(ledger: Ledger) -> bool:
    """Return whether received = pending_tf + buffered + retired_used + retired_unused + dropped."""
    return ledger[keys.RECEIVED] == sum(v for k, v in ledger.items() if k != keys.RECEIVED)
