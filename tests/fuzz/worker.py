"""Runs one target under atheris, until libFuzzer ends the process: started by `tests.fuzz`."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def main(name: str, folder: Path, seeds: Path, options: Sequence[str]) -> None:
    """Fuzz a target.

    Args:
        folder: for files of the reader, in memory.
        seeds: folder of the target's seeds.
        options: of libFuzzer.
    """
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["anyview_ros", "rosbags", "PIL"]):
        from tests.fuzz.faster import hasten
        from tests.fuzz.json_mutator import mutate_json
        from tests.fuzz.table import TARGETS
        from tests.fuzz.target import guarded

        target = TARGETS[name]
        read = guarded(target, folder)
        for seed in seeds.iterdir():  # what is imported late is instrumented too
            read(seed.read_bytes())
        hasten(folder)

    def mutated(content: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed = mutate_json(content, rng) if rng.random() < 0.7 else None
        fits = changed is not None and len(changed) <= most
        return changed if fits else atheris.Mutate(content, most)

    own = {"custom_mutator": mutated} if target.is_json else {}
    atheris.Setup([sys.argv[0], *options], read, **own)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
