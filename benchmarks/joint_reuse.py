"""What each reuse saves a package of the joint family on the CPU, side by side in one run.

    python -m benchmarks.joint_reuse [--repeats 5] [--threads 1]

Random weights at small size, imported and exported as a release is; milliseconds, medians of calls
that follow each other with and without.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from anyview_ros.cli.__main__ import main as anyview
from anyview_ros.engine.lru_cache import LruCache
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.engine.shared_sources import SharedSources
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import rigid
from anyview_ros.model.joint.config import AutoencoderConfig, JointConfig
from anyview_ros.model.joint.release import AUTOENCODER, NETWORK, TEXT
from anyview_ros.packages import load_package
from tests.joint.fake_release import write_fake_release

FRAMES, HEIGHT, WIDTH = 5, 64, 96
NETWORK_SIZE, CODER = JointConfig(256, blocks=4, heads=4), AutoencoderConfig(width=16)
KEPT = ("_shared", "_latents", "_ray_latents")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=5, help="pairs that are measured (5)")
    parser.add_argument("--threads", type=int, default=1, help="of ONNX Runtime (1)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(load_package(_package(Path(folder))), "cpu", arguments.threads)
        print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
        print("| | without, ms | with, ms | ratio |\n| --- | --- | --- | --- |")
        for name, without, with_ in _pairs(pipeline):
            _row(name, without, with_, arguments.repeats)


def _package(folder: Path) -> Path:
    with contextlib.redirect_stdout(io.StringIO()):
        write_fake_release(folder / "files", NETWORK_SIZE, CODER)
        files = [f"{folder}/files/{file.name}" for file in (NETWORK, AUTOENCODER, TEXT)]
        options = [f"--{k}={v}" for k, v in zip(("dit", "tokenizer", "text"), files, strict=True)]
        place = ["--out", str(folder), "--name", "fake"]
        anyview(["import", *options, *place, "--any-size", "--accept-license"])
        size = ["--frames", str(FRAMES), "--exact-size", str(HEIGHT), str(WIDTH)]
        anyview(["export", str(folder / "fake"), *size, "--name", "small"])
    return folder / "small"


def _pairs(
    pipeline: Pipeline,
) -> list[tuple[str, Callable[[], float], Callable[[], float]]]:
    clip, moved = _clip(0), [0.0]

    def condition_s(keep: tuple[str, ...]) -> float:
        """Of one more virtual camera of the same clip, with some of what is kept."""
        moved[0] += 0.1
        for name in set(KEPT) - set(keep):
            _forget(pipeline, name)
        return _synthesized(pipeline, clip, moved[0], "draft")[0]

    def again_s(keep: tuple[str, ...]) -> float:
        """Of the same camera again, with other images."""
        for name in set(KEPT) - set(keep):
            _forget(pipeline, name)
        moved[0] += 1
        return _synthesized(pipeline, _clip(int(moved[0])), 1.0, "draft")[0]

    return [
        (
            "condition, one more camera of a clip: its image latent",
            lambda: condition_s(()),
            lambda: condition_s(("_latents",)),
        ),
        (
            "the same, and rays of cameras that stand",
            lambda: condition_s(()),
            lambda: condition_s(KEPT),
        ),
        (
            "condition, the same pair of cameras later: rays",
            lambda: again_s(()),
            lambda: again_s(("_ray_latents",)),
        ),
        ("a step of the denoiser: buffers bound once", *_steps(pipeline)),
    ]


def _steps(pipeline: Pipeline) -> tuple[Callable[[], float], Callable[[], float]]:
    """A call with arrays handed over each time and sums by numpy, and one on bound buffers."""
    _synthesized(pipeline, _clip(0), 1.0, "draft")
    denoiser = pipeline._denoiser
    assert denoiser is not None
    rng = np.random.default_rng(0)
    given = {k: rng.normal(0, 1, s).astype(np.float32) for k, s in denoiser.shapes.items()}
    noisy, graph = given.pop("noisy"), pipeline._graphs["denoise"]
    t, state = np.full(graph.inputs["t"], 0.75, np.float32), pipeline.device.put(noisy)
    denoiser.condition(given, None)

    def by_arrays() -> None:
        z = np.float32(0.25) * noisy
        (prediction,) = graph(noisy=z, t=t, **given).values()
        assert np.isfinite(z - np.float32(0.75) * prediction).all()

    return lambda: _seconds(by_arrays), lambda: _seconds(lambda: denoiser(state, 3.0))


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _row(name: str, without: Callable[[], float], with_: Callable[[], float], count: int) -> None:
    pairs = [(without(), with_()) for _ in range(count + 1)][1:]
    slow, fast = (1000 * median(column) for column in zip(*pairs, strict=True))
    print(f"| {name} | {slow:.1f} | {fast:.1f} | {slow / fast:.2f} |", flush=True)


def _forget(pipeline: Pipeline, name: str) -> None:
    fresh: object = SharedSources(2) if name == "_shared" else LruCache(8)
    setattr(pipeline._conditioner, name, fresh)


def _clip(seed: int) -> Clip:
    images = np.random.default_rng(seed).integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    camera = Camera.from_fov(WIDTH, HEIGHT, 1.2)
    return Clip(tuple(Frame(k + 1, image, camera, np.eye(4)) for k, image in enumerate(images)))


def _synthesized(pipeline: Pipeline, clip: Clip, x: float, speed: str) -> tuple[float, float]:
    """Seconds of conditioning and of a step."""
    poses = np.tile(rigid(np.eye(3), (x, 0, 0)), (FRAMES, 1, 1))
    view = View(clip.frames[0].camera, poses)
    made = pipeline.synthesize([clip], view, SynthesisOptions(speed=speed))
    return made.condition_s, made.denoise_s / made.calls


if __name__ == "__main__":
    main()
