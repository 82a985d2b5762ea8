"""A package is written only when ONNX Runtime computes what torch computes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch

from anyview_ros.contract import GRAPHS, Contract, LatentShape
from anyview_ros.engine.onnx.self_test import SELF_TEST
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.model import export
from anyview_ros.model.codec import LinearCodec
from anyview_ros.model.export import (
    compare,
    export_package,
    graph_specs,
    round_to_fp16,
    write_package,
)
from anyview_ros.model.one_way.config import NetworkConfig
from anyview_ros.model.one_way.network import OneWayDenoiser
from anyview_ros.node.inference.worker import Worker
from anyview_ros.packages import load_package

CONFIG = NetworkConfig(channels=12, patch=2, width=32, depth=2, heads=2, planes=3)
CONTRACT = Contract(
    name="tiny",
    family="one_way",
    anchor="source",
    ray_code="unshuffle",
    resampler="area",
    pixel_rule="pixel_centre",
    prediction="x0",
    solver="euler",
    sigmas={"exact": (80.0, 1.0, 0.0)},
    frames=(5,),
    frame_period=0.1,
    sizes=((32, 48), (32, 32)),
    latent=LatentShape(CONFIG.channels, 4, 4, 4),
    max_sources=2,
    known_frames=True,
    scene_scale=0.0625,
    precision="fp32",
    licence="Apache-2.0",
    files={},
    plane_sweep=(0.0, 1.0),
)


def tiny_model() -> tuple[OneWayDenoiser, LinearCodec]:
    torch.manual_seed(0)
    network, codec = OneWayDenoiser(CONFIG), LinearCodec(CONFIG.channels)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.1)
    return network.requires_grad_(False), codec


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    export_package(folder, CONTRACT, *tiny_model())
    return folder


@pytest.mark.parametrize("width", [48, 32])
@pytest.mark.parametrize("sources", [1, 2])
def test_an_exported_package_loads_and_synthesizes(package: Path, width: int, sources: int) -> None:
    loaded = load_package(package)
    graphs = {f"{name}.onnx" for name in GRAPHS}
    assert set(loaded.contract.files) == {"weights.bin", SELF_TEST, *graphs}
    assert json.loads((package / SELF_TEST).read_text()).keys() == set(GRAPHS)
    camera = Camera.from_fov(width, 32, 1.2)
    poses = torch.eye(4, dtype=torch.float64).numpy()
    image = torch.randint(0, 255, (32, width, 3), dtype=torch.uint8).numpy()
    clip = Clip(tuple(Frame(10**8 * (k + 1), image, camera, poses) for k in range(5)))
    result = Pipeline(loaded, "cpu", 1).synthesize(
        [clip] * sources, View(camera, clip.world_from_cam), SynthesisOptions()
    )
    assert result.frames.shape == (5, 32, width, 3)


def clip_of(seed: int) -> Clip:
    generator = torch.Generator().manual_seed(seed)
    camera = Camera.from_fov(48, 32, 1.2)
    pose = torch.eye(4, dtype=torch.float64).numpy()
    images = torch.randint(0, 255, (5, 32, 48, 3), dtype=torch.uint8, generator=generator).numpy()
    return Clip(tuple(Frame(10**8 * (k + 1), images[k], camera, pose) for k in range(5)))


def test_known_frames_come_back_and_change_the_others(package: Path) -> None:
    pipeline, clip = Pipeline(load_package(package), "cpu", 1), clip_of(0)
    target = View(Camera.from_fov(48, 32, 1.0), clip.world_from_cam)
    options = SynthesisOptions()
    known = [clip_of(seed).images[:1] for seed in (1, 2)]
    free = pipeline.synthesize([clip], target, options).frames
    given = [pipeline.synthesize([clip], target, options, known=k).frames for k in known]
    for frames, first in zip(given, known, strict=True):
        assert (frames[:1] == first).all()
        assert (frames[1:] != free[1:]).any()
    assert (given[0][1:] != given[1][1:]).any()


def test_known_frames_reach_the_inference_process(package: Path) -> None:
    clip, known = clip_of(0), clip_of(1).images[:1]
    target = View(Camera.from_fov(48, 32, 1.0), clip.world_from_cam)
    options = SynthesisOptions()
    here = Pipeline(load_package(package), "cpu", 1)
    worker = Worker(load_package(package), "cpu")
    try:
        there = worker.synthesize([clip], target, options, known=known).frames
        without = worker.synthesize([clip], target, options).frames
    finally:
        worker.stop()
    np.testing.assert_array_equal(there[:1], known)
    expected = here.synthesize([clip], target, options, known=known).frames
    assert np.abs(there.astype(int) - expected).max() <= 1  # other threads, other sums
    assert (there != without).any()


@pytest.mark.parametrize(("count", "height"), [(2, 32), (5, 32), (0, 32), (1, 16)])
def test_known_frames_of_another_number_or_size_are_refused(
    package: Path, count: int, height: int
) -> None:
    pipeline, clip = Pipeline(load_package(package), "cpu", 1), clip_of(0)
    target = View(Camera.from_fov(48, 32, 1.0), clip.world_from_cam)
    known = clip_of(1).images[:count, :height]
    with pytest.raises(AnyviewError, match=r"known frames must be 1 \+ 4 j, less than 5, of shape"):
        pipeline.synthesize([clip], target, SynthesisOptions(), known=known)


def test_graphs_equal_torch_and_a_changed_weight_shows(package: Path) -> None:
    network, codec = tiny_model()
    network.half().float()  # the package holds large weights in 16 bits
    same = compare(package, graph_specs(CONTRACT, network, codec))
    assert max(same.values()) < 1e-3
    with torch.no_grad():
        network.stack[1].shrink.weight[3] += 0.5
    apart = compare(package, graph_specs(CONTRACT, network, codec))
    assert apart["denoise"] > 1e-2
    assert apart["condition"] == same["condition"]  # keys of a block do not need its own MLP


def write_one(folder: Path, graph: str, network: OneWayDenoiser, codec: LinearCodec) -> None:
    """A package of one graph, which takes a quarter of the time."""
    for module in (network, codec):
        round_to_fp16(module)
    write_package(folder, CONTRACT, {graph: graph_specs(CONTRACT, network, codec)[graph]})


def test_a_network_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    network, codec = tiny_model()
    with torch.no_grad():
        network.head.later.bias[0] = torch.nan
    with pytest.raises(AnyviewError, match=r"apart.*'denoise': nan") as caught:
        write_one(tmp_path, "denoise", network, codec)
    assert caught.value.code == "export_differs"
    assert not (tmp_path / "manifest.json").exists()


def test_a_graph_apart_from_torch_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Damaged(export.SharedWeights):
        def take_from(self, model: ir.Model) -> None:
            for name, value in model.graph.initializers.items():
                if "codec.group_mean" in name and value.const_value is not None:
                    value.const_value = ir.tensor(value.const_value.numpy() + 0.01, name=name)
            super().take_from(model)

    monkeypatch.setattr(export, "SharedWeights", Damaged)
    with pytest.raises(AnyviewError, match=r"apart.*'decode'"):
        write_one(tmp_path, "decode", *tiny_model())
    assert not (tmp_path / "manifest.json").exists()


def test_equal_weights_are_stored_once_and_in_16_bits(package: Path) -> None:
    network, codec = tiny_model()
    large = sum(p.numel() for p in network.parameters() if p.numel() >= 1024)
    large += 2 * codec.group_basis.numel()  # and transposed; that of a first frame is small
    assert (package / "weights.bin").stat().st_size == pytest.approx(2 * large, rel=0.01)
    graph = onnx.load(package / "denoise.onnx", load_external_data=False).graph
    inside = [t for t in graph.initializer if t.data_location != onnx.TensorProto.EXTERNAL]
    assert all(onnx.numpy_helper.to_array(t).size < 1024 for t in inside)
