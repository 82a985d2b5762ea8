"""What a live demo gave: rates, latency, ledgers and truth over time, as a table and a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from anyview_ros import diagnostic_keys as keys
from anyview_ros.demo.live_demo import CameraRecord, LiveRun
from anyview_ros.evaluation.metrics import psnr
from anyview_ros.frames import Camera
from anyview_ros.media.montage import fitted, grid, label
from anyview_ros.media.plots import line_plot
from anyview_ros.media.provenance import MIXED, save_picture
from anyview_ros.node.simulation.rig_sources import BASE_FRAME
from anyview_ros.text_table import aligned
from anyview_ros.whole_file import whole_file
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.rigs import BASE
from anyview_ros.worlds.street.street_rig import STREET_RIG

SHEET, VALUES = "live.png", "live.json"
TILE = (176, 99)
COLUMNS = 5
HEADER = (
    *("camera", "Hz", "asked", "latency s", "largest", "seen", "published", "waiting"),
    *("PSNR dB", "skipped"),
)
SIDE = 70


@dataclass(frozen=True)
class CameraFigures:
    """One virtual camera of a live demo.

    Args:
        asked_hz, rate_hz: of simulated time.
        latency_s, max_latency_s: from the newest source stamp of a clip to the publication of each
            of its frames, median and largest.
        published, seen, waiting, skipped: the node's ledger of its source's frames.
        received: frames that arrived here; repeated: stamps that came again.
        psnr_db: mean over the frames compared with the rendered truth, one a second.
    """

    asked_hz: float
    rate_hz: float
    latency_s: float
    max_latency_s: float
    clips: int
    seen: int
    published: int
    waiting: int
    skipped: Mapping[str, int]
    balanced: bool
    received: int
    repeated: int
    psnr_db: float


@dataclass(frozen=True)
class Compared:
    """A frame beside the truth."""

    stamp_ns: int
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]

    @property
    def psnr_db(self) -> float:
        return psnr(self.image / 255.0, self.truth / 255.0)


def write_live_report(run: LiveRun, out: Path) -> tuple[str, list[str]]:
    """Write the picture and the figures; the table, and what is wrong if anything is."""
    compared = {name: compare(run, name) for name in run.cameras}
    figures = {
        name: figures_of(record, compared[name], run.simulated_s)
        for name, record in run.cameras.items()
    }
    save_picture(picture(run, compared), out / SHEET, MIXED)
    values = {
        "model": run.model,
        "simulated_s": run.simulated_s,
        "wall_s": run.wall_s,
        "cameras": {name: asdict(figure) for name, figure in figures.items()},
    }
    with whole_file(out / VALUES) as whole:
        whole.write_text(json.dumps(values, indent=2) + "\n")
    return table(run, figures), faults(figures)


def figures_of(record: CameraRecord, compared: list[Compared], simulated_s: float) -> CameraFigures:
    """Return figures of a camera, from its frames and the node's last diagnostics."""
    values = record.statuses[-1][1]
    latencies = [latency for _, latency in record.latencies] or [float("nan")]
    return CameraFigures(
        asked_hz=float(values[keys.RATE_ASKED_HZ]),
        rate_hz=int(values[keys.PUBLISHED]) / simulated_s,
        latency_s=median(latencies),
        max_latency_s=max(latencies),
        clips=int(values[keys.CLIPS]),
        seen=int(values[keys.SEEN]),
        published=int(values[keys.PUBLISHED]),
        waiting=int(values[keys.WAITING]),
        skipped=keys.reasons(values, keys.SKIPPED),
        balanced=values[keys.BALANCED] == keys.TRUE,
        received=len(record.frames),
        repeated=len(record.frames) - len(set(record.frames)),
        psnr_db=float(np.mean([c.psnr_db for c in compared])) if compared else float("nan"),
    )


def compare(run: LiveRun, name: str) -> list[Compared]:
    """Return the pictures of a camera whose pose is known, each beside the rendered truth."""
    record, found = run.cameras[name], []
    for stamp, image in sorted(run.cameras[name].pictures.items()):
        pose = record.poses.get(stamp)
        if name in run.standing:
            frame, frame_from_cam = run.standing[name]
            vehicle = run.world.world_from_link(BASE, stamp)
            pose = (vehicle if frame == BASE_FRAME else np.eye(4)) @ frame_from_cam
        if pose is not None:
            camera = _camera(image)
            truth = render(run.world.scene_at(stamp), camera, pose)
            found.append(Compared(stamp, image, truth))
    return found


def _camera(image: NDArray[np.uint8]) -> Camera:
    """Return the intrinsics of the first source, which virtual cameras without their own have."""
    return STREET_RIG[0].camera.resized(image.shape[1], image.shape[0])


def picture(run: LiveRun, compared: Mapping[str, list[Compared]]) -> NDArray[np.uint8]:
    """Return each camera over time above the truth, then PSNR, latency and rate over time."""
    rows = []
    for name, all_frames in compared.items():
        places = np.linspace(0, len(all_frames) - 1, COLUMNS).round().astype(int)
        picks = [all_frames[k] for k in places] if all_frames else []
        for word in ("image", "truth"):
            side = label(name if word == "image" else "truth", SIDE, TILE[1])
            tiles = [fitted(getattr(c, word), *TILE) for c in picks]
            rows.append([side, *tiles, *[fitted(None, *TILE)] * (COLUMNS - len(tiles))])
    sheet = grid(rows)
    size = (sheet.shape[1], 240)
    began = min((s[0] for r in run.cameras.values() for s in r.statuses), default=0.0)
    truth = {
        name: [(c.stamp_ns / 1e9 - began, c.psnr_db) for c in frames]
        for name, frames in compared.items()
    }
    late = {
        name: [(t - began, latency) for t, latency in record.latencies]
        for name, record in run.cameras.items()
    }
    rate = {
        name: [(t - began, float(v[keys.RATE_HZ])) for t, v in record.statuses]
        for name, record in run.cameras.items()
    }
    plots = [
        line_plot(truth, "PSNR against the truth, dB, over seconds", size),
        line_plot(late, "latency of each frame, s", size),
        line_plot(rate, "rate of the last ten seconds, Hz", size),
    ]
    return np.concatenate([sheet, *plots])


def table(run: LiveRun, figures: Mapping[str, CameraFigures]) -> str:
    """Return the figures for a terminal."""
    title = f"model {run.model}, {run.simulated_s:g} s of simulated time in {run.wall_s:.0f} s"
    rows: list[Sequence[object]] = [HEADER]
    for name, f in figures.items():
        skipped = ", ".join(f"{count} {reason}" for reason, count in sorted(f.skipped.items()))
        rates = f"{f.rate_hz:.1f}", f"{f.asked_hz:g}"
        counts = f.seen, f.published, f.waiting
        latencies = f.latency_s, f.max_latency_s
        rows.append([name, *rates, *latencies, *counts, f.psnr_db, skipped or "none"])
    return "\n".join([title, *aligned(rows, left=(0, len(HEADER) - 1))])


def faults(figures: Mapping[str, CameraFigures]) -> list[str]:
    """Return what must not be, whatever the machine."""
    found = []
    for name, f in figures.items():
        if not f.balanced:
            found.append(f"the ledger of '{name}' does not balance")
        if f.repeated:
            found.append(f"'{name}' published {f.repeated} stamps twice")
        if not f.published:
            found.append(f"'{name}' published nothing")
    return found
