"""Exports say nothing of the exporter's own; what concerns the network is still heard."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings

import pytest
import torch
from torch import Tensor, nn

from anyview_ros.model.export import GraphSpec, onnx_model
from anyview_ros.model.exporter_log_filter import KNOWN_WARNINGS, quiet_exporter


class Halves(nn.Module):
    """A constant that is split, which the exporter remarks upon."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(6.0))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.table.split([2, 4])
        return x * first.sum() + second.sum()


def export() -> None:
    onnx_model(GraphSpec(Halves(), {"x": torch.ones(3)}, ["y"]))


def test_an_export_is_silent() -> None:
    # In a process of its own: pytest would take the logs and the warnings away.
    code = f"from {__name__} import export; export()"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stderr == ""
    assert said.stdout == ""


@pytest.mark.parametrize("name", KNOWN_WARNINGS)
def test_other_messages_are_heard(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with quiet_exporter(), warnings.catch_warnings(record=True) as seen:
        logging.getLogger(name).warning(f"{KNOWN_WARNINGS[name]} %s", "x")
        logging.getLogger(name).warning("this network is wrong")
        warnings.warn("this too", FutureWarning, stacklevel=1)
    assert caplog.messages == ["this network is wrong"]
    assert [str(warning.message) for warning in seen] == ["this too"]
    logging.getLogger(name).warning(KNOWN_WARNINGS[name])  # nothing is left behind
    assert len(caplog.messages) == 2
