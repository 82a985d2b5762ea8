"""Every seed is read, every input that once crashed a reader is refused, and crashes are seen."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.datasets import bag_unpacking
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging import compression
from anyview_ros.media import images
from tests.fuzz.__main__ import REGRESSIONS, main
from tests.fuzz.json_mutator import VALUES, mutate_json
from tests.fuzz.table import TARGETS
from tests.fuzz.target import CrashError, Target, guarded

LIMITS = (compression, "MAX_PIXELS"), (images, "MAX_PIXELS"), (bag_unpacking, "MAX_BYTES")
FOUND = sorted(file for file in REGRESSIONS.glob("*/*"))


@pytest.fixture(autouse=True)
def kept_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets lower limits of their process, which other tests share here."""
    for module, name in LIMITS:
        monkeypatch.setattr(module, name, getattr(module, name))


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read(name: str, tmp_path: Path) -> None:
    """Or refused; one at least is read, or nobody would get past the first check."""
    target = TARGETS[name]
    seeds, read, became = target.seeds(tmp_path), guarded(target, tmp_path / "read"), []
    for seed in seeds.values():
        assert len(seed) <= target.max_bytes
        read(seed)
    (tmp_path / "plain").mkdir(exist_ok=True)
    plain = target.opened(tmp_path / "plain")
    for seed in seeds.values():
        try:
            plain(seed)
            became.append(True)
        except target.refusals:
            became.append(False)
    assert any(became)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_what_crashed_once_does_not(file: Path, tmp_path: Path) -> None:
    guarded(TARGETS[file.parent.name], tmp_path)(file.read_bytes())


def raising(error: Exception) -> Callable[[bytes], object]:
    def read(content: bytes) -> None:
        raise error

    return read


def slow(content: bytes) -> None:
    began = time.process_time()
    while time.process_time() - began < 0.2:
        pass


def large(content: bytes) -> None:
    np.ones(64 << 20, np.uint8)


CRASHES = {
    "another error": (raising(KeyError("a")), KeyError, "a"),
    "a code of no page": (raising(AnyviewError("no_such_code", "text")), CrashError, "no page"),
    "a hang": (slow, CrashError, "0.2 s of a processor, 0.1 are allowed"),
    "memory": (large, CrashError, "MiB, 32 are allowed"),
}


@pytest.mark.parametrize(("read", "kind", "text"), CRASHES.values(), ids=CRASHES)
def test_crashes_are_seen(
    read: Callable[[bytes], object], kind: type[Exception], text: str, tmp_path: Path
) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # forget the most memory of the tests before
    limit_s = 10.0 if read is large else 0.1
    target = Target(lambda _: read, lambda _: {}, limit_s=limit_s, limit_bytes=32 << 20)
    with pytest.raises(kind, match=text):
        guarded(target, tmp_path)(b"")


def test_an_endless_error_is_seen(tmp_path: Path) -> None:
    target = Target(lambda _: raising(ValueError("a" * 5000)), lambda _: {})
    with pytest.raises(CrashError, match="an error of 5000 characters"):
        guarded(replace(target, refusals=(ValueError,)), tmp_path)(b"")


def test_changed_json_is_json_and_another() -> None:
    before = json.dumps({"a": [1, {"b": "c"}], "d": None}).encode()
    changed = [mutate_json(before, random.Random(seed)) for seed in range(200)]
    assert all(isinstance(text, bytes) for text in changed)
    for text in changed:
        json.loads(text or b"")
    assert len(set(changed)) > 50
    assert mutate_json(b"a: [1", random.Random(0)) is None


def test_json_is_changed_without_end() -> None:
    """Values that are put in are not changed by what comes later, or one would hold itself."""
    before, content = json.dumps(VALUES), b'{"a": {}}'
    for seed in range(3000):
        changed = mutate_json(content, random.Random(seed))
        assert changed is not None
        content = changed if len(changed) < 500 else content
    assert json.dumps(VALUES) == before


def test_deep_json_ends_no_mutator() -> None:
    for deep in range(50, sys.getrecursionlimit(), 50):
        for seed in range(5):
            mutate_json(b"[" * deep + b"]" * deep, random.Random(seed))


@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="atheris is not installed")
def test_the_command_fuzzes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--runs", "2000", "--out", str(tmp_path)]) == 0
    said = capfd.readouterr().out
    assert "selftest: 2000 runs, " in said
    assert "no crash" in said
