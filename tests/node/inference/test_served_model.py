"""A model that is loaded while the node says that it begins without one."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.node.inference import served_model
from anyview_ros.node.inference.served_model import ServedModel
from anyview_ros.node.inference.worker import Worker
from anyview_ros.packages import ModelPackage, load_package
from tests.packages import make_package


def test_who_waits_is_told_that_no_model_is_loaded() -> None:
    model = ServedModel()
    model.leave_unloaded()
    with pytest.raises(AnyviewError, match="no model is loaded"):
        model.required()


def test_who_has_cancelled_does_not_wait_for_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make_package(tmp_path / "tiny")
    model, asked = ServedModel(), threading.Event()

    def cancelled() -> bool:
        asked.set()
        return True

    def load(path: Path) -> ModelPackage:
        assert asked.wait(10.0)
        return load_package(path)

    monkeypatch.setattr(served_model, "load_package", load)
    loading = threading.Thread(target=model.load, args=(str(package), "cpu"))
    loading.start()
    try:
        while not model.loading:
            time.sleep(0.01)
        with pytest.raises(AnyviewError, match=r"while model .* was loading") as error:
            model.required(cancelled)
        assert error.value.code == "cancelled"
    finally:
        asked.set()
        loading.join()
        model.unload()


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


def test_a_provider_that_cannot_start_gives_the_model_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory holds one model, it was ended before."""

    class OneAtATime(Worker):
        def start(self, reclaimable: Any = None, free: Any = lambda: None, **_: Any) -> None:
            free()
            if self.requested_provider == "tensorrt":
                raise AnyviewError("no_provider", "it cannot start")
            self._provider = "cpu"

    monkeypatch.setattr(served_model, "Worker", OneAtATime)
    model, package = ServedModel(), str(make_package(tmp_path / "tiny"))
    model.load(package, "cpu")
    assert model.load(package, "tensorrt") is model.required()
    assert model.required().worker.requested_provider == "cpu"
    assert model.refused is not None
    assert model.refused.message.endswith("tiny' is served on, by cpu")
    with pytest.raises(AnyviewError, match="it cannot start"):
        ServedModel().load(package, "tensorrt")
