"""Folders that are replaced, and calls that end at the worst moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from anyview_ros.model.atomic_directory import replaced_directory


def test_ended_between_the_two_renames_the_folder_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_text("good")
    rename = Path.rename

    def ended(path: Path, target: Path) -> Path:
        if path.name.endswith(".part"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", ended)
    with pytest.raises(KeyboardInterrupt), replaced_directory(folder) as made:
        (made / "weights.bin").write_text("new")
    assert [file.read_text() for file in tmp_path.rglob("*.bin")] == ["good"]
    assert (folder / "weights.bin").is_file()


def test_killed_between_them_the_next_call_begins_with_the_folder(tmp_path: Path) -> None:
    folder, before = tmp_path / "model", tmp_path / ".model.before"
    before.mkdir()
    (before / "weights.bin").write_text("good")
    with replaced_directory(folder) as made:
        assert (made / "weights.bin").read_text() == "good"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
