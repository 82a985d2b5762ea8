"""Every command ends by name on a full disk, and leaves nothing half-made."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.model.checkpoint import Checkpoint, parts, write_checkpoint
from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.packages import load_package
from anyview_ros.training import package as package_module
from anyview_ros.training.config import RunConfig, parse_config
from anyview_ros.training.package import package_run
from anyview_ros.training.store import SceneStore, renderers
from tests.evaluation.scenes import write_root
from tests.faults.disk import content, small_disk
from tests.packages import make_package
from tests.training.tiny import CONFIG

TIMEOUT_S = 120.0
DOMAIN = 91
SIZE_KB = 8192


def run(*arguments: object, most_bytes: int = 0) -> subprocess.CompletedProcess[str]:
    """A command; `most_bytes`: of a file that it may write, as a full disk would have it."""

    def limited() -> None:
        if most_bytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    return subprocess.run(
        [sys.executable, "-m", "anyview_ros.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        preexec_fn=limited,
    )


def named(ended: subprocess.CompletedProcess[str], code: str = "disk_full") -> str:
    """What a command said that ended by name."""
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert f"error [{code}]: " in ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.graph
def test_a_demo_ends_at_once(tmp_path: Path) -> None:
    model = make_package(tmp_path / "tiny")
    with small_disk(tmp_path / "disk", 2048) as disk:
        out, began = disk / "out", time.monotonic()
        ended = run("demo", "--domain", DOMAIN, "--out", out, "--model", model, "--seconds", 6)
        took_s = time.monotonic() - began
        assert str(out) in named(ended)
        assert {name.partition(".")[2] for name in content(out)} == {"log"}, "and no bag"
    assert took_s < 90, "compiling the renderer is most of it"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", SIZE_KB) as mounted:
        yield mounted


def checkpoint(run: RunConfig) -> Checkpoint:
    network, codec = OneWayDenoiser(run.network), LinearCodec(run.network.channels)
    mean = {name: torch.zeros(3, 5, 16, 32) for name in run.scenes}
    tensors = parts(ema=network.state_dict(), codec=codec.state_dict(), mean=mean)
    return Checkpoint(7, CONFIG, tensors)


def test_an_export_leaves_nothing_or_what_was_there(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its graphs are those of a tiny package: torch's take minutes where others work."""
    room = 0

    def exported(folder: Path, contract: Contract, *_: object) -> Contract:
        make_package(folder, name="tiny")
        (folder / "weights.bin").write_bytes(bytes(room))
        return load_package(folder).contract

    monkeypatch.setattr(package_module, "export_package", exported)
    config = parse_config(CONFIG)
    made = checkpoint(config)
    room = 1 << 24
    with pytest.raises(AnyviewError, match="make room on its disk") as full:
        package_run(disk / "tiny", config, made)
    assert full.value.code == "disk_full"
    assert content(disk) == set()
    room = 10
    package_run(disk / "tiny", config, made)
    (disk / "tiny" / "README.md").write_text("a card that somebody wrote")
    before = load_package(disk / "tiny").sha256
    room = 1 << 24
    with pytest.raises(AnyviewError):
        package_run(disk / "tiny", config, made)
    assert load_package(disk / "tiny").sha256 == before
    assert {file.name for file in disk.iterdir()} == {"tiny"}
    room = 20
    package_run(disk / "tiny", config, made)
    assert (disk / "tiny" / "README.md").read_text() == "a card that somebody wrote"
    assert (disk / "tiny" / "weights.bin").stat().st_size == 20
    load_package(disk / "tiny")


def test_a_bench_goes_on_where_it_was(tmp_path: Path) -> None:
    model, root = make_package(tmp_path / "tiny"), write_root(tmp_path / "root")
    asked = ["bench", root, "--model", model, "--splits", "DDAD", "--no-perceptual", "--out"]
    whole = run(*asked, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    size = (tmp_path / "whole" / "results.json").stat().st_size
    assert str(tmp_path / "out") in named(run(*asked, tmp_path / "out", most_bytes=size // 2))
    left = content(tmp_path / "out")
    assert not [name for name in left if "part" in name or name.startswith(("results", "index"))]
    assert run(*asked, tmp_path / "out").returncode == 0
    results = [(tmp_path / name / "results.json").read_bytes() for name in ("whole", "out")]
    assert results[0] == results[1]


def test_a_renderer_says_why_it_ended(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(CONFIG.replace("count = 6", "count = 16"))
    options = ["--out", tmp_path / "out", "--cache", tmp_path / "cache", "--threads", 1]
    ended = run("train", tmp_path / "tiny.toml", "--minutes", 1, *options, most_bytes=4096)
    said = named(ended, "not_rendered")
    assert f"error [disk_full]: {tmp_path / 'cache'}" in said
    assert [name for name in content(tmp_path / "cache") if ".part" in name] == []


def test_what_a_renderer_leaves_that_is_ended_is_removed(tmp_path: Path) -> None:
    config = parse_config(CONFIG.replace("count = 6", "count = 64")).scenes["street"]
    store = SceneStore(config, tmp_path)  # type: ignore[arg-type]
    with renderers({"street": store}, 1):
        deadline = time.monotonic() + TIMEOUT_S
        while not store.folder.exists():
            assert time.monotonic() < deadline
        (process,) = torch.multiprocessing.active_children()
        partial = store.folder / f".00000.images.{process.pid}-1.part.npy"
        partial.write_bytes(b"half of it")
        other = store.folder / ".00000.images.1-1.part.npy"
        other.write_bytes(b"of another run")
    assert not partial.exists()
    assert other.exists()


def test_a_first_checkpoint_speaks_of_none_before_it(disk: Path) -> None:
    tensors = {str(k): torch.from_numpy(np.zeros(400_000, np.float32)) for k in range(8)}
    made = Checkpoint(1, "", parts(network=tensors))
    with pytest.raises(AnyviewError, match="there is none before it: make room and begin again"):
        write_checkpoint(disk / "latest.safetensors", made, max_part_bytes=4_000_000)
    assert content(disk) == set()
    small = Checkpoint(1, "", parts(network={"0": tensors["0"]}))
    write_checkpoint(disk / "latest.safetensors", small)
    with pytest.raises(AnyviewError, match="the checkpoint before it is whole, make room"):
        write_checkpoint(disk / "latest.safetensors", made, max_part_bytes=4_000_000)
    assert content(disk) == {"latest.safetensors"}
