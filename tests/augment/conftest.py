"""A model and a recording that most tests of augment begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.rig_bag import RigRecording
from tests.packages import make_package


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return RigRecording().write(tmp_path_factory.mktemp("bag") / "drive")
