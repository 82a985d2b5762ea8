"""What a training step costs: its parts, samples a second, and the share of the matrix rate.

    python -m benchmarks.training_rate [CONFIG] [--threads 1] [--steps 4]

Steps of the last stage, from a fresh network, on a few rendered scenes, drawn and trained one after
the other (a run draws ahead of its steps). The matrix rate is that of two square bfloat16 matrices
with as many threads, in the same run; operations are counted by torch.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch
from torch.utils.flop_counter import FlopCounterMode

from anyview_ros.training.config import RunConfig, read_config
from anyview_ros.training.loop import Trainer
from anyview_ros.training.store import open_stores, renderers

CONFIG = Path("config/training/worlds-sweep-10m.toml")
SCENES, SIDE = 16, 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, nargs="?", default=CONFIG)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    run = of_few_scenes(read_config(arguments.config))
    with tempfile.TemporaryDirectory() as cache:
        stores = open_stores(run, Path(cache))
        with renderers(stores, arguments.threads):
            trainer = Trainer(run, stores, device)
            while not all(store.has(SCENES) for store in stores.values()):
                time.sleep(0.1)
        trainer.fit()
        trainer.train_step(trainer.draw(0))  # the first step allocates and compiles
        drawn, trained, operations, samples = [], [], [], 0
        for step in range(1, 1 + arguments.steps):
            start = time.perf_counter()
            batch = trainer.draw(step)
            middle = time.perf_counter()
            with FlopCounterMode(display=False) as counter:
                samples += trainer.train_step(batch).samples
            drawn.append(middle - start)
            trained.append(time.perf_counter() - middle)
            operations.append(counter.get_total_flops())
    matrix = matrix_rate(device)
    rate = sum(operations) / sum(trained)
    print(f"{run.name}, {arguments.threads} threads, {arguments.steps} steps")
    print(f"drawing a batch: {fmean(drawn):.2f} s; the step: {fmean(trained):.2f} s")
    print(f"samples/s: {samples / sum(trained):.1f}, and {samples / sum(drawn):.1f} drawn")
    print(f"{rate / 1e9:.0f} GFLOP/s of {matrix / 1e9:.0f} of a product: {rate / matrix:.0%}")


def of_few_scenes(run: RunConfig) -> RunConfig:
    """The run with SCENES scenes a set and its last stage alone."""
    scenes = {name: replace(config, count=SCENES) for name, config in run.scenes.items()}
    return replace(run, scenes=scenes, stages=run.stages[-1:])


def matrix_rate(device: torch.device) -> float:
    """Operations a second of a bfloat16 product, the best of ten."""
    left, right = (torch.randn(SIDE, SIDE, device=device, dtype=torch.bfloat16) for _ in range(2))
    times = []
    for _ in range(10):
        start = time.perf_counter()
        float((left @ right)[0, 0])  # waits for the device
        times.append(time.perf_counter() - start)
    return 2 * SIDE**3 / min(times)


if __name__ == "__main__":
    main()
