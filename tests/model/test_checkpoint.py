"""A checkpoint is whole or not there, in one file or in parts."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from anyview_ros.errors import AnyviewError
from anyview_ros.model import checkpoint as module
from anyview_ros.model.checkpoint import Checkpoint, read_checkpoint, write_checkpoint


def made(step: int) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    tensors = {f"network/{i}": torch.randn(100 * (i + 1), generator=generator) for i in range(6)}
    return Checkpoint(step, f"seed = {step}", tensors)


def same(one: Checkpoint, other: Checkpoint) -> bool:
    return (one.step, one.config, one.tensors.keys()) == (
        other.step,
        other.config,
        other.tensors.keys(),
    ) and all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


@pytest.mark.parametrize(("limit", "files"), [(0, 1), (10**6, 1), (4000, 3), (1, 6)])
def test_parts_hold_what_one_file_holds(tmp_path: Path, limit: int, files: int) -> None:
    path = tmp_path / "latest.safetensors"
    write_checkpoint(path, made(3), limit)
    assert len(list(tmp_path.iterdir())) == files
    assert same(read_checkpoint(path), made(3))


def test_parts_of_an_older_checkpoint_go(tmp_path: Path) -> None:
    path = tmp_path / "latest.safetensors"
    write_checkpoint(path, made(3), 1)
    write_checkpoint(path, made(4), 4000)
    assert same(read_checkpoint(path), made(4))
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {path.name, "latest-4-4000-2.safetensors", "latest-4-4000-3.safetensors"}


def test_copies_of_a_checkpoint_stay(tmp_path: Path) -> None:
    path, kept = tmp_path / "latest.safetensors", tmp_path / "latest-step40000.safetensors"
    for limit in (0, 4000):
        write_checkpoint(path, made(3), limit)
        kept.write_bytes(path.read_bytes())
        write_checkpoint(path, made(4), limit)
        assert kept.is_file()


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_a_full_disk_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    path = tmp_path / "latest.safetensors"
    write_checkpoint(path, made(3), 4000)
    written = 0
    write_tensors = module.write_tensors

    def full(file: Path, tensors: Any, metadata: Any) -> None:
        nonlocal written
        written += 1
        write_tensors(file, tensors, metadata)
        if written == broken:
            file.write_bytes(file.read_bytes()[:100])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_tensors", full)
    with pytest.raises(AnyviewError, match=r"No space left.*the checkpoint before it is whole"):
        write_checkpoint(path, made(4), 4000)
    assert same(read_checkpoint(path), made(3))
    monkeypatch.undo()
    write_checkpoint(path, made(5), 4000)
    assert same(read_checkpoint(path), made(5))
    assert len(list(tmp_path.iterdir())) == 3


def test_another_limit_at_the_same_step_leaves_the_parts_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "latest.safetensors"
    write_checkpoint(path, made(3), 4000)
    write_tensors = module.write_tensors

    def killed(file: Path, tensors: Any, metadata: Any) -> None:
        if "step" in metadata:  # of the file that names the others, the last one
            raise KeyboardInterrupt
        write_tensors(file, tensors, metadata)

    monkeypatch.setattr(module, "write_tensors", killed)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(path, made(3), 1)
    assert same(read_checkpoint(path), made(3))
    monkeypatch.undo()
    write_checkpoint(path, made(3), 1)
    assert same(read_checkpoint(path), made(3))
    assert len(list(tmp_path.iterdir())) == 6


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latest.safetensors"
    write_checkpoint(path, made(3), 4000)
    part = tmp_path / "latest-3-4000-2.safetensors"
    with pytest.raises(
        AnyviewError, match=r"latest-3-4000-2\.safetensors is one part of a checkpoint"
    ):
        read_checkpoint(part)
    part.unlink()
    with pytest.raises(AnyviewError, match=r"cannot read .*latest-3-4000-2\.safetensors"):
        read_checkpoint(path)
