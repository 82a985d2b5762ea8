"""Our networks meet the golden vectors; `anyview verify` runs all of this in both engines."""

import pytest

from anyview_ros.engine import sampler
from anyview_ros.verify.engines import open_networks
from anyview_ros.verify.run import CHECKS, Golden, verify_file
from tests.joint.golden import FILES, GOLDEN, lines

LARGE = "e2e_fullres.npz"


@pytest.mark.parametrize("file", [file for file in FILES if file != LARGE])
def test_torch_meets_the_golden_vectors(file):
    found = lines(file)
    assert all(line.good for line in found), "\n".join(map(str, found))
    assert sum(line.found.arrays for line in found) > 0


@pytest.fixture(scope="module")
def onnx():
    return open_networks("onnx")


def test_onnx_meets_the_golden_vectors(onnx):
    found = lines("dit_tiny_b.npz", onnx)
    assert [line.mode for line in found] == ["f32", "parity", "bf16"]
    assert all(line.good for line in found), "\n".join(map(str, found))


def test_onnx_generates_the_frames_of_the_release_at_full_size(onnx, monkeypatch):
    def first():
        return next(verify_file(CHECKS[LARGE], Golden(GOLDEN, CHECKS), onnx))

    line = first()
    assert line.good, line
    right = sampler.coefficients
    monkeypatch.setattr(sampler, "coefficients", lambda sigmas, solver: right(sigmas, "euler"))
    mistaken = first()
    assert not mistaken.good
    assert mistaken.found.faults
