"""Whether the tests notice changes of what all else stands on: geometry, time, TF, the sampler.

    python -m tests.mutation                     names of the modules
    python -m tests.mutation MODULE... | all     a line of figures for each, `alive.diff` beside

Needs cosmic-ray (`pip install cosmic-ray`; --tools where it lies elsewhere). Each operator, number
and branch of a module is changed, one at a time, in a copy of this tree (--out), and the tests of
the module run. What was tried before in that folder is not tried again. The changes that no test
noticed are for people to judge: many make no difference.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.graph import CHECKOUT

TESTS = {  # of each module, those that are for it
    "geometry": ("test_geometry.py", "test_frames.py"),
    "time_grid": ("clips/test_clip_windows.py", "clips/test_frame_buffer.py"),
    "engine/flow": ("engine/test_sampler.py", "engine/onnx/test_bound_denoiser.py"),
    "engine/sampler": ("engine/test_sampler.py", "engine/onnx/test_bound_denoiser.py"),
    "clips/clip_windows": ("clips/test_clip_windows.py",),
    "clips/frame_buffer": ("clips/test_frame_buffer.py", "clips/test_keyframe_store.py"),
    "clips/keyframe_store": ("clips/test_keyframe_store.py",),
    "clips/transform_buffer": ("clips/test_transforms.py",),
    "node/transforms/fixed_frame": ("node/transforms/test_fixed_frame.py",),
    "node/transforms/tf": ("node/transforms", "clips/test_transforms.py"),
}
CPU_S = 60  # of the tests of one change: it may never end
LEFT_OUT = (".git", ".venv", "build", "out", "models", "docs", "node_modules", "__pycache__")
# `|` stands in annotations only; what nobody writes by mistake says little of the tests.
CONFIG = """[cosmic-ray]
module-path = "anyview_ros/{module}.py"
timeout = 3600
excluded-modules = []
test-command = "prlimit --cpu={cpu_s} {python} -m pytest -x -q -n 0 -p no:cacheprovider {tests}"

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = [
    "core/ReplaceBinaryOperator_BitOr_.*",
    "core/ReplaceBinaryOperator_.*_(BitAnd|BitOr|BitXor|FloorDiv|LShift|Mod|Pow|RShift)",
    "core/ReplaceComparisonOperator_.*_(Eq|Is|IsNot)",
    "core/ReplaceUnaryOperator_.*_(Invert|Not|UAdd)",
]
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The number of modules whose tests fail without a change."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("modules", nargs="*", metavar="MODULE", choices=[*TESTS, "all", []])
    parser.add_argument("--out", type=Path, default=CHECKOUT / "out" / "mutation")
    parser.add_argument("--tools", type=Path, default=Path(), help="folder of its commands")
    asked = parser.parse_args(arguments)
    os.environ["PATH"] = os.pathsep.join((str(asked.tools.resolve()), os.environ["PATH"]))
    if asked.modules and not shutil.which("cosmic-ray"):
        parser.error("there is no command cosmic-ray: pip install cosmic-ray, or --tools FOLDER")
    modules = list(TESTS) if "all" in asked.modules else asked.modules
    if not modules:
        print("\n".join(TESTS))
    return sum(not tried(module, asked.out.resolve()) for module in modules)


def tried(module: str, out: Path) -> bool:
    """Try all changes of a module, and print what came of them; whether its tests can tell."""
    folder, tree = out / module.replace("/", "."), out / "tree"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(tree, ignore_errors=True)  # it may hold a change
    shutil.copytree(CHECKOUT, tree, ignore=shutil.ignore_patterns(*LEFT_OUT))
    tests = " ".join(f"tests/{name}" for name in TESTS[module])
    config, session = folder / "config.toml", folder / "session.sqlite"
    config.write_text(CONFIG.format(module=module, cpu_s=CPU_S, python=sys.executable, tests=tests))

    def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=tree, capture_output=True, text=True)

    if not session.exists():
        if (baseline := call("cosmic-ray", "baseline", config)).returncode:
            print(f"{module}: its tests fail as it is\n{baseline.stdout}{baseline.stderr}")
            return False
        call("cosmic-ray", "init", config, session)
        call("cr-filter-operators", session, config)
    call("cosmic-ray", "exec", config, session)
    outcomes = Counter[str]()
    with (folder / "alive.diff").open("w") as alive:
        for outcome, diff in _results(call("cosmic-ray", "dump", session).stdout):
            outcomes[outcome] += 1
            if outcome == "survived":
                print(diff, file=alive)
    figures = ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items()))
    print(f"{module}: {sum(outcomes.values())} changes, {figures}", flush=True)
    return True


def _results(dump: str) -> Iterator[tuple[str, str]]:
    """Yield what came of each change, and its diff."""
    for line in dump.splitlines():
        _, result = json.loads(line)
        if result is None:
            yield "not tried", ""
        elif result["worker_outcome"] != "skipped":
            yield result["test_outcome"] or result["worker_outcome"], result["diff"] or ""


if __name__ == "__main__":
    sys.exit(main())
