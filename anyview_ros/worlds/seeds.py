"""Which seeds of worlds are for what. Training takes those below `PREVIEW_SEED`."""

from __future__ import annotations

PREVIEW_SEED = 800_000  # pictures of a run while it goes on
ABLATION_SEED = 850_000  # variants of a run
BENCH_SEED = 900_000  # measurements, and all from here on: no run has seen them
DEMO_SEED = 990_004  # what the demos show
