"""The autoencoder: pieces of a clip, causality, sizes, and what it refuses."""

import json
from pathlib import Path

import onnx
import pytest
import torch

from anyview_ros.engine.onnx import runtime
from anyview_ros.errors import AnyviewError
from anyview_ros.model.export import onnx_model
from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.config import PRECISIONS, AutoencoderConfig
from anyview_ros.model.joint.export import autoencoder_specs
from tests.joint.networks import coder, normal

# Convolutions of another length may sum in another order; that is all a cut may change.
ROUNDING = {"rtol": 1e-4, "atol": 2e-5}


def test_the_official_autoencoder_has_the_published_number_of_values():
    with torch.device("meta"):
        network = Autoencoder(AutoencoderConfig())
    state = network.state_dict()
    assert len(state) == 194
    assert sum(v.numel() for v in state.values()) == 126_892_531


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_pieces_give_the_same_numbers_as_the_whole_clip(piece):
    network, frames, latent = coder(), normal(1, 3, 17, 16, 24), normal(1, 16, 5, 2, 3)
    torch.testing.assert_close(network.encode(frames, piece), network.encode(frames), **ROUNDING)
    torch.testing.assert_close(network.decode(latent, piece), network.decode(latent), **ROUNDING)


def test_latents_and_frames_do_not_see_the_future():
    network, frames, latent = coder(), normal(1, 3, 13, 16, 16), normal(1, 16, 4, 2, 2)
    later, later_latent = frames.clone(), latent.clone()
    later[:, :, 5:] += 1
    later_latent[:, :, 2:] += 1
    before, after = network.encode(frames), network.encode(later)
    torch.testing.assert_close(before[:, :, :2], after[:, :, :2], **ROUNDING)
    assert (before[:, :, 2] - after[:, :, 2]).abs().max() > 1e-2
    before, after = network.decode(latent), network.decode(later_latent)
    torch.testing.assert_close(before[:, :, :5], after[:, :, :5], **ROUNDING)
    assert (before[:, :, 5] - after[:, :, 5]).abs().max() > 1e-2


def test_sizes():
    network = coder()
    assert network.encode(normal(2, 3, 9, 16, 24)).shape == (2, 16, 3, 2, 3)
    assert network.decode(normal(2, 16, 3, 2, 3)).shape == (2, 3, 9, 16, 24)


def test_parity_latents_are_bfloat16_numbers():
    latent = coder("parity").encode(normal(1, 3, 5, 16, 16))
    assert torch.equal(latent, latent.bfloat16().float())
    assert latent.dtype == torch.float32


@pytest.mark.parametrize(
    ("shape", "code"),
    [((1, 3, 4, 16, 16), "invalid_num_frames"), ((1, 3, 5, 20, 16), "invalid_size")],
)
def test_clips_that_cannot_be_coded_are_refused(shape, code):
    with pytest.raises(AnyviewError) as e:
        coder().encode(normal(*shape))
    assert e.value.code == code


@pytest.mark.parametrize(
    "sizes",
    [
        {"time_halves": (True, True)},
        {"time_halves": (True,) * 3},
        {"multipliers": (1, 3, 5, 4), "width": 1},
    ],
)
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(AnyviewError) as e:
        Autoencoder(AutoencoderConfig(**sizes), PRECISIONS["f32"])
    assert e.value.code == "invalid_config"


def test_a_graph_takes_one_piece_after_the_other(tmp_path, monkeypatch):
    """By the order in which ONNX Runtime says it runs the nodes: what a piece leaves for the next
    is cut when it is there, and the next begins after its frames."""
    right = runtime._session_options

    def told(ort, threads):
        options = right(ort, threads)
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
        return options

    monkeypatch.setattr(runtime, "_session_options", told)
    with torch.no_grad():
        spec = autoencoder_specs(coder(), (9, 16, 16), piece=1)["decode"]
        onnx.save(onnx_model(spec), tmp_path / "decode.onnx")
    graph = runtime.Graph(tmp_path / "decode.onnx", "cpu", 1)
    graph(**{key: value.numpy() for key, value in spec.inputs.items()})
    events = json.loads(Path(graph._session.end_profiling()).read_text())
    ran = [
        event["name"].removesuffix("_kernel_time")
        for event in sorted(events, key=lambda event: event["ts"])
        if event["name"].endswith("_kernel_time")
    ]
    nodes = onnx.load(tmp_path / "decode.onnx").graph.node
    assert ran == [node.name for node in nodes if node.name in set(ran)]
    enlarged = [node.output[0] for node in nodes if node.op_type == "Resize"]
    made = {node.output[0]: set(node.input) for node in nodes}
    for before, after in ((2, 3), (5, 6)):  # three to a piece: its last, the first of the next
        assert enlarged[before] in came_from(enlarged[after], made)


def came_from(name, made):
    """All tensors that a tensor is made of."""
    found, asked = set(), [name]
    while asked:
        new = made.get(asked.pop(), set()) - found
        found |= new
        asked += new
    return found
