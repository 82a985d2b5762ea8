"""What a laboratory removes is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from anyview_ros.chaos import lab
from anyview_ros.chaos.lab import LabPlan, laboratory
from anyview_ros.chaos.own_folder import take_folder
from anyview_ros.errors import AnyviewError
from benchmarks.soak import soak
from tests.augment.bags import digests
from tests.packages import make_package

FOLDERS = ("model", "bag", "sources", "augment_killed")


class BeganError(Exception):
    """Raised in place of the start of processes."""


def begins(plan: LabPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    def began(*_: object) -> None:
        raise BeganError

    monkeypatch.setattr(lab, "Children", began)
    with pytest.raises(BeganError), laboratory(plan):
        pass


@pytest.mark.parametrize("name", FOLDERS)
def test_files_of_others_are_refused_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plan = LabPlan(tmp_path / "mine", str(make_package(tmp_path / "tiny")))
    (plan.out / name).mkdir(parents=True)
    (plan.out / name / "work.txt").write_text("of a year")
    before = digests(plan.out)
    monkeypatch.setattr(lab, "Children", None)  # nothing is started
    refused = pytest.raises(AnyviewError, match="give a new or an empty folder")
    with refused as raised, laboratory(plan):
        pass
    assert raised.value.code == "output_exists"
    assert digests(plan.out) == before


def test_a_laboratory_goes_again_into_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with what a benchmark wrote before it into a folder that it took."""
    plan = LabPlan(tmp_path / "out", str(make_package(tmp_path / "tiny")))
    take_folder(plan.out)
    (plan.out / "front.mp4").touch()
    for _ in range(2):
        begins(plan, monkeypatch)
        (plan.out / "model" / "left.txt").touch()
    begins(plan, monkeypatch)
    assert not (plan.out / "model" / "left.txt").exists()
    assert (plan.out / "front.mp4").exists()


def test_the_soak_goes_again_into_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = LabPlan(tmp_path / "out", str(make_package(tmp_path / "tiny")))

    def began(*_: object) -> None:
        raise AnyviewError("child_ended", "the test ends here")

    monkeypatch.setattr(lab, "Children", began)
    for _ in range(2):
        assert soak(plan, minutes=0.0, seed=0) == 1
        assert "the test ends here" in (plan.out / "soak.jsonl").read_text()
    (plan.out / ".anyview-chaos").unlink()
    with pytest.raises(AnyviewError, match="give a new or an empty folder"):
        soak(plan, minutes=0.0, seed=0)
