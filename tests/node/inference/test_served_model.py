"""A model that is loaded while the node says that it begins without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.node.inference import served_model
from anyview_ros.node.inference.served_model import ServedModel
from anyview_ros.packages import ModelPackage, load_package
from tests.packages import make_package


def test_who_waits_is_told_that_no_model_is_loaded() -> None:
    model = ServedModel()
    model.leave_unloaded()
    with pytest.raises(AnyviewError, match="no model is loaded"):
        model.required()


def test_a_load_that_has_begun_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = make_package(tmp_path / "tiny")
    model = ServedModel()

    def load(path: Path) -> ModelPackage:
        model.leave_unloaded()
        assert model.absence.endswith("is loading")
        return load_package(path)

    monkeypatch.setattr(served_model, "load_package", load)
    try:
        assert model.load(str(package), "cpu") is model.required()
    finally:
        model.unload()
