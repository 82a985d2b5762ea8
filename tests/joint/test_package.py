"""A package of the joint family in the pipeline that every robot runs."""

import re
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from anyview_ros.cli.__main__ import main
from anyview_ros.contract import GRAPHS, FusedAttention
from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.engine.onnx.package_files import PackageFiles
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.onnx.self_test import SelfTest
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Clip, Frame, View
from anyview_ros.imaging.resize import resize_camera
from anyview_ros.model.checkpoint import Checkpoint, write_checkpoint
from anyview_ros.model.export import check, onnx_model
from anyview_ros.model.joint import export
from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.config import PRECISIONS, AutoencoderConfig, JointConfig
from anyview_ros.model.joint.export import graph_specs, joint_contract, noise_times
from anyview_ros.model.joint.package import model_of, package_import
from anyview_ros.packages import load_package
from tests.joint.golden import GOLDEN
from tests.joint.networks import random_weights

PARITY = PRECISIONS["parity"]
FLOAT, BFLOAT16 = onnx.TensorProto.FLOAT, onnx.TensorProto.BFLOAT16
FLOAT16 = onnx.TensorProto.FLOAT16


@pytest.fixture(scope="module")
def pipeline(package):
    return Pipeline(load_package(package), "cpu", threads=1)


def request():
    """The golden scene as a robot's request: a posed clip and a view."""
    episode = SceneFolder(GOLDEN / "scene_tiny").episode()
    source = episode.source
    frames = [
        Frame(100 * (k + 1), image, source.camera, pose)
        for k, (image, pose) in enumerate(zip(episode.images, source.world_from_cam, strict=True))
    ]
    return Clip(tuple(frames)), View(episode.target.camera, episode.target.world_from_cam)


def at_size(view, height, width):
    """The view at another size by the release's pixel rule, so that its frames are not resized."""
    camera = resize_camera(view.camera, (height, width), "integer_grid")
    return View(camera, view.world_from_cam)


def test_the_pipeline_makes_the_frames_of_the_release(pipeline):
    clip, view = request()
    made = pipeline.synthesize([clip], at_size(view, 48, 96), SynthesisOptions())
    with np.load(GOLDEN / "e2e_tiny.npz") as golden:
        apart = np.abs(made.frames.astype(int) - golden["parity/frames_uint8"])
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.05
    assert (made.steps, made.generated_size, made.scene_scale) == (4, (48, 96), 0.125)


def test_poses_seeds_and_pixels_change_the_frames(pipeline):
    clip, view = request()
    view = at_size(view, 48, 96)
    moved = view.world_from_cam.copy()
    moved[4:, 0, 3] += 0.5
    first, *rest = clip.frames
    darker = Clip((replace(first, image=first.image // 2), *rest))
    right = pipeline.synthesize([clip], view, SynthesisOptions()).frames.astype(int)
    for source, target, seed in (
        (clip, View(view.camera, moved), 0),
        (clip, view, 1),
        (darker, view, 0),
    ):
        made = pipeline.synthesize([source], target, SynthesisOptions(seed=seed)).frames
        assert np.abs(made - right).max() > 1


def test_a_package_with_a_table_makes_no_frames_at_other_noise_levels(pipeline):
    clip, view = request()
    with pytest.raises(AnyviewError, match="leave steps at 0") as e:
        pipeline.synthesize([clip], view, SynthesisOptions(steps=3))
    assert e.value.code == "not_finite"


def test_bfloat16_weights_are_stored_as_they_are(package):
    graph = onnx.load(package / "denoise.onnx", load_external_data=False).graph
    outside = [t for t in graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    kept = {kind: [t for t in outside if t.data_type == kind] for kind in (BFLOAT16, FLOAT)}
    assert sum(len(tensors) for tensors in kept.values()) == len(outside)
    # Embedding, and of two blocks four projections, the text's query and the MLP, and the head:
    # the text's keys and values and the modulations are folded away.
    block = 5 * 128 * 128 + 2 * 128 * 512
    values = sum(np.prod(tensor.dims) for tensor in kept[BFLOAT16])
    assert values == 48 * 4 * 128 + 2 * block + 128 * 16 * 4
    # What was computed in float32 keeps all its bits.
    names = {tensor.name.removesuffix(".stored") for tensor in kept[FLOAT]}
    assert {"levels.blocks", "levels.final", "cosine"} <= names


def test_the_contract_samples_as_the_release_does():
    contract = joint_contract("x", (41, 304, 576), 1 / 16, "Apache-2.0")
    assert len(contract.sigmas["exact"]) == 36
    assert contract.latent.of(41, 304, 576) == (16, 11, 38, 72)
    assert (contract.solver, contract.anchor, contract.pixel_rule) == (
        "ab2",
        "target",
        "integer_grid",
    )
    levels = {sigma for speed in contract.sigmas.values() for sigma in speed}
    sigmas = np.array(sorted(levels), np.float32)
    np.testing.assert_array_equal(noise_times(contract), sigmas / (sigmas + np.float32(1)))


def test_the_other_speeds_take_fewer_steps_by_the_solver_that_few_steps_need():
    contract = joint_contract("x", (41, 304, 576), 1 / 16, "Apache-2.0")
    assert {speed: len(levels) - 1 for speed, levels in contract.sigmas.items()} == {
        "exact": 35,
        "fast": 12,
        "draft": 4,
    }
    solvers = {speed: contract.sampled_by(speed).solver for speed in contract.sigmas}
    assert solvers == {"exact": "ab2", "fast": "dpmpp2m", "draft": "dpmpp2m"}
    short = joint_contract("x", (41, 304, 576), 1 / 16, "Apache-2.0", steps=4)
    assert short.sigmas.keys() == {"exact"}


@pytest.mark.parametrize(
    ("clip", "code"),
    [
        ((5, 48, 90), "invalid_size"),
        ((5, 0, 96), "invalid_size"),
        ((5, 48, 1936), "invalid_size"),
        ((6, 48, 96), "invalid_num_frames"),
        ((45, 48, 96), "too_many_frames"),
    ],
)
def test_clips_that_cannot_be_exported_are_refused(clip, code):
    with pytest.raises(AnyviewError) as e:
        joint_contract("x", clip, 1 / 16, "Apache-2.0")
    assert e.value.code == code


def test_pieces_of_time_are_a_choice_of_memory_alone(imported):
    contract = joint_contract("x", (9, 32, 48), 1 / 16, "Apache-2.0")
    model = model_of(imported, PARITY)
    whole, pieces = (graph_specs(contract, replace(model, piece=piece)) for piece in (0, 1))
    for name in ("encode", "decode"):
        inputs = whole[name].inputs.values()
        torch.testing.assert_close(
            pieces[name].module(*inputs), whole[name].module(*inputs), rtol=1e-4, atol=1e-5
        )


def test_the_network_without_a_table_takes_any_time(imported):
    contract = joint_contract("x", (5, 32, 48), 1 / 16, "Apache-2.0")
    denoise = graph_specs(contract, model_of(imported, PARITY))["denoise"]
    inputs = {**denoise.inputs, "t": torch.tensor([0.123])}
    assert denoise.module(*inputs.values()).isfinite().all()


def test_the_card_says_what_it_is(package):
    card = (package / "README.md").read_text()
    assert card.startswith("# joint-tiny")
    assert "9 frames of 48 x 96, 4 steps" in card
    assert "NOT the published file" in card
    assert re.search(r"denoise \d\.\de-\d\d", card)
    assert "NVIDIA Open Model License" in (package / "LICENCES.md").read_text()


@pytest.mark.parametrize(("precision", "stored"), [("fp16", FLOAT16), ("bf16", BFLOAT16)])
def test_16_bit_packages_compute_in_16_bits(imported, tmp_path, monkeypatch, precision, stored):
    """A clip too large to be run is compared at a small size, and so is its self-test."""
    monkeypatch.setattr(export, "MOST_COMPARED", 0)
    contract = joint_contract("small", (5, 48, 64), 1 / 8, "-", precision=precision)
    made = package_import(imported, tmp_path, contract)
    assert len(made.differences) == (4 if precision == "fp16" else 0)
    proxies = {f"proxy-{name}" for name in GRAPHS}
    assert {file.stem for file in made.folder.glob("*.onnx")} == {*GRAPHS, *proxies}
    loaded = load_package(made.folder)
    assert loaded.contract.precision == precision
    assert loaded.contract.call_bytes > 0
    self_test = SelfTest(loaded, PackageFiles(loaded))
    assert self_test._cases.keys() == proxies
    if precision == "fp16":
        self_test.check({name: Graph(made.folder / f"{name}.onnx", "cpu") for name in proxies})
    for file in made.folder.glob("*.onnx"):  # on a GPU too, types that operators lack are refused
        onnx.checker.check_model(file, full_check=True)
    graph = onnx.load(made.folder / "denoise.onnx").graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    types = {inner.name: inner.type.tensor_type.elem_type for inner in graph.value_info}
    products = [node for node in graph.node if node.op_type == "MatMul"]
    matrices = [weights[name].data_type for n in products for name in n.input if name in weights]
    assert len(matrices) >= 10
    assert set(matrices) == {stored}
    norms = [node for node in graph.node if node.op_type == "LayerNormalization"]
    wide = FLOAT if precision == "fp16" else BFLOAT16
    assert {types[node.output[0]] for node in norms} == {wide}
    assert (made.folder / "weights.bin").stat().st_size == end_of_weights(made.folder)


def end_of_weights(folder):
    """Bytes up to the last that a graph reads, filled up to 64."""
    graphs = [onnx.load(file, load_external_data=False).graph for file in folder.glob("*.onnx")]
    tensors = [tensor for graph in graphs for tensor in graph.initializer]
    places = [
        {e.key: int(e.value) for e in t.external_data if e.key != "location"} for t in tensors
    ]
    return -(-max(p["offset"] + p["length"] for p in places if p) // 64) * 64


def test_what_differs_from_torch_is_no_package(imported, tmp_path, monkeypatch):
    monkeypatch.setitem(export.TOLERANCES, "fp16", 0.0)
    contract = joint_contract("apart", (1, 16, 16), 1 / 8, "-", precision="fp16")
    with pytest.raises(AnyviewError, match="are apart") as e:
        package_import(imported, tmp_path, contract)
    assert e.value.code == "export_differs"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("clip", [(5, 64, 96), (13, 96, 160), (13, 304, 576)])
def test_more_values_are_no_more_apart(clip, tmp_path):
    """Latents are rounded to bfloat16: of many, some are a step apart where sums are equal."""
    autoencoder = Autoencoder(AutoencoderConfig(width=2), PARITY).eval()
    random_weights(autoencoder)
    spec = export.autoencoder_specs(autoencoder, clip)["encode"]
    onnx.save(onnx_model(spec), tmp_path / "encode.onnx")
    assert check(tmp_path, {"encode": spec})["encode"] < 1e-5


def test_options_of_the_other_kind_are_refused(imported, tmp_path, capsys):
    write_checkpoint(tmp_path / "run.safetensors", Checkpoint(1, "", {"ema/x": torch.zeros(1)}))
    assert main(["export", str(tmp_path / "run.safetensors"), "--frames", "13"]) == 1
    assert "--frames is for imported weights" in capsys.readouterr().err
    assert main(["export", str(imported.folder), "--config", "run.toml"]) == 1
    assert "--config is for a training run" in capsys.readouterr().err


def test_memory_of_a_call_grows_with_the_clip_and_shrinks_with_the_precision(imported):
    def bytes_of(clip, precision="fp32", piece=1):
        contract = joint_contract("x", clip, 1 / 16, "Apache-2.0", precision=precision)
        model = replace(model_of(imported, PARITY), piece=piece)
        return export.call_bytes(contract, model)

    small = bytes_of((5, 48, 96))
    assert bytes_of((9, 48, 96), piece=0) > bytes_of((5, 48, 96), piece=0) > small
    assert bytes_of((5, 96, 96)) == 2 * small
    assert bytes_of((5, 48, 96), "fp16") < small


def test_an_export_that_fails_leaves_nothing_half_written(imported, monkeypatch, tmp_path):
    def full(folder, specs, weights):
        (folder / "encode.onnx").write_text("half")
        raise MemoryError

    monkeypatch.setattr(export, "write_graphs", full)
    contract = joint_contract("x", (5, 32, 48), 1 / 16, "Apache-2.0")
    with pytest.raises(AnyviewError, match="nothing of it is left") as caught:
        package_import(imported, tmp_path, contract)
    assert caught.value.code == "out_of_memory"
    assert not list(tmp_path.iterdir())


def test_attention_over_many_tokens_must_be_fused_and_the_contract_says_so():
    large = joint_contract("large", (41, 304, 576), 1 / 16, "none")
    assert export.fused_attention(large, JointConfig()) == FusedAttention(28, 128, 15048)
    small = joint_contract("small", (5, 32, 48), 1 / 16, "none")
    assert export.fused_attention(small, JointConfig()) is None, "a short one may be written out"
