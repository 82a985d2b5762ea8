"""A package that cannot fit is refused with numbers before it is loaded."""

from pathlib import Path

import pytest

from anyview_ros.engine import pipeline
from anyview_ros.engine.onnx import memory
from anyview_ros.engine.onnx.memory import Needed
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import load_package
from tests.packages import make_package


@pytest.fixture
def package(tmp_path):
    return load_package(make_package(tmp_path / "tiny", call_bytes=3_000_000_000))


def test_weights_are_counted_as_they_are_computed_with(package, tmp_path):
    graphs = sum(file.stat().st_size for file in package.path.glob("*.onnx"))
    assert memory.needed(package) == Needed(2 * graphs, 3_000_000_000)
    narrow = load_package(make_package(tmp_path / "narrow", precision="fp16"))
    assert memory.needed(narrow) == Needed(graphs, 0)
    (package.path / "notes.png").write_bytes(bytes(1000))  # what is not computed with
    assert memory.needed(package).weights == 2 * graphs


def test_what_cannot_fit_is_not_loaded(package, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2_500_000_000)
    monkeypatch.setattr(pipeline, "Graph", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(
        AnyviewError, match=r"'tiny' needs about 3.0 GB on cpu: 0.0 for .* 2.5 GB are free"
    ) as caught:
        pipeline.Pipeline(package, "cpu")
    assert caught.value.code == "not_enough_memory"


def test_what_is_freed_before_counts(package, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2_500_000_000)
    memory.check_fits(package, "cpu", freed=600_000_000)
    with pytest.raises(AnyviewError, match=r"2.5 GB are free, and 0.4 with the model that it"):
        memory.check_fits(package, "cpu", freed=400_000_000)


@pytest.mark.parametrize("free", [None, 3_100_000_000])
def test_what_fits_or_cannot_be_known_is_loaded(package, monkeypatch, free):
    monkeypatch.setattr(memory, "free_bytes", lambda device: free)
    pipeline.Pipeline(package, "cpu")


def test_free_memory_of_the_machine(monkeypatch, tmp_path):
    told = memory.free_bytes("cpu")
    assert told is not None
    assert 10_000_000 < told < 10**14
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "none")
    assert memory.free_bytes("cpu") is None


@pytest.mark.parametrize(
    ("says", "found"),
    [("1024\n2048\n", 2**30), ("", None), ("N/A\n", None)],
)
def test_free_memory_of_a_gpu(monkeypatch, tmp_path, says, found):
    tool = Path(tmp_path / "nvidia-smi")
    tool.write_text("#!/bin/sh\nprintf '" + says.replace("\n", "\\n") + "'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert memory.free_bytes("cuda") == found


def test_free_memory_is_that_of_the_gpu_that_is_visible(monkeypatch, tmp_path):
    """Of a name that the tool does not know, that of the first."""
    tool, cases = (
        Path(tmp_path / "nvidia-smi"),
        "*--id=3) echo 2048;; *--id=MIG*) exit 6;; *) echo 1",
    )
    tool.write_text(f"#!/bin/sh\ncase $* in {cases};; esac\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for visible, found in (("3,1", 2**31), ("0", 2**20), ("MIG-1", 2**20), ("", 2**20)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert memory.free_bytes("cuda") == found


def test_without_the_tool_a_gpu_says_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory.free_bytes("cuda") is None
