"""A bag's report as files and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from anyview_ros.datasets.bag import Bag
from anyview_ros.demo.comparison import Compared
from anyview_ros.demo.pictures import ClipVideo, ContactSheet
from anyview_ros.demo.report import STAGES, Report, report_of
from anyview_ros.demo.truth import Truth
from anyview_ros.errors import AnyviewError
from anyview_ros.text_table import aligned

STREAM_HEADER = ("camera", "images", "infos", "unpaired", "repeated stamps", "gaps")
PICTURE_HEADER = ("virtual camera", "wrong stamps", "PSNR dB", "copy of source", "mean colour")
TIME_HEADER = (
    *("seconds of a clip", *(stage.removesuffix("_s") for stage in STAGES)),
    *("latency", "steps", "model"),
)
REPORT, SHEET, VIDEO = "report.json", "contact_sheet.png", "clip.mp4"


def write_report(bag_path: Path, out: Path) -> Report:
    """Write report.json and, if the bag holds virtual frames, contact_sheet.png and clip.mp4.

    Raises:
        AnyviewError: `unreadable_bag`; `no_cameras` for a bag without any.
    """
    with Bag(bag_path) as bag:
        if not bag.sources() and not bag.virtual_cameras():
            raise AnyviewError(
                "no_cameras",
                f"a report needs raw images of cameras, {bag_path} has only {_kinds(bag)}; record "
                "virtual/NAME/image_raw, camera_info and synthesis_info, and those of the sources",
            )
        out.mkdir(parents=True, exist_ok=True)
        truth, names = Truth.of(bag), list(bag.virtual_cameras())
        sheet = ContactSheet(names, truth.exists)
        with ClipVideo(out / VIDEO, names, truth.exists) as video:

            def draw(moment: tuple[Compared, ...]) -> None:
                sheet.add(moment)
                video.add(moment)

            report = report_of(bag, truth, draw)
        if not sheet.is_empty:
            sheet.write(out / SHEET)
        report.write(out / REPORT)
    return report


def _kinds(bag: Bag) -> str:
    """Return the types of a bag's topics, in words."""
    return ", ".join(sorted(set(bag.types().values()))) or "no message"


def table(report: Report) -> str:
    """Return the figures for a terminal."""
    virtual_streams = {name: figures.stream for name, figures in report.virtual.items()}
    streams = [
        [name, s.images, s.infos, s.unpaired, s.repeated_stamps, s.gaps]
        for name, s in {**report.sources, **virtual_streams}.items()
    ]
    lines = aligned([STREAM_HEADER, *streams])
    if report.virtual:
        lines += ["", *aligned([PICTURE_HEADER, *_picture_rows(report)])]
        lines += ["", *aligned([TIME_HEADER, *_time_rows(report)])]
    if report.ledgers:
        lines += ["", *aligned(list(_ledger_rows(report)))]
    lines += ["", f"truth: {report.truth}"]
    lines += [f"note: {note}" for note in report.notes]
    lines += [f"FAULT: {fault}" for fault in report.faults] or ["no fault found"]
    return "\n".join(lines)


def _picture_rows(report: Report) -> Iterator[list[object]]:
    for name, figures in report.virtual.items():
        quality = figures.quality
        psnr: list[object] = ["-", "-", "-"]
        if quality is not None:
            psnr = [quality.virtual, quality.copy_of_source, quality.mean_colour]
        yield [name, figures.wrong_stamps, *psnr]


def _time_rows(report: Report) -> Iterator[list[object]]:
    for name, figures in report.virtual.items():
        stages = [figures.stages_s[stage] for stage in STAGES]
        yield [name, *stages, figures.latency_s, figures.steps, figures.model]


def _ledger_rows(report: Report) -> Iterator[list[object]]:
    """Yield a heading, and where the node's images went, a row a camera."""
    keys = list(dict.fromkeys(key for ledger in report.ledgers.values() for key in ledger))
    yield ["images in the node", *(key.replace("_", " ") for key in keys)]
    for name, ledger in report.ledgers.items():
        yield [name, *(ledger.get(key, 0) for key in keys)]
