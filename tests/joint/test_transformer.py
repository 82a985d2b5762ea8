"""What the joint network refuses, and laws that hold for any weights."""

import pytest
import torch

from anyview_ros.errors import AnyviewError
from anyview_ros.model.joint.checkpoint import load_state
from anyview_ros.model.joint.config import JointConfig
from anyview_ros.model.joint.transformer import JointTransformer
from tests.joint.networks import SIZES, joint, normal

TEXT = normal(1, 5, 12)
T = torch.tensor([[0.5]])


def test_the_official_network_has_the_published_number_of_values():
    with torch.device("meta"):
        network = JointTransformer(JointConfig())
    unused_time_embedder = 2048 * 2048 + 2048 * 6144
    values = sum(p.numel() for p in network.parameters())
    assert values + unused_time_embedder == 1_976_190_976


def test_a_batch_is_its_samples():
    network = joint()
    a, b = normal(2, 52, 2, 4, 4), normal(2, 52, 2, 4, 6, seed=2)
    times = [torch.tensor([[0.2], [0.7]]), torch.tensor([[0.2, 0.3], [0.7, 0.1]])]
    together = network([a, b], times, TEXT.expand(2, -1, -1))[0]
    alone = network([a[1:], b[1:]], [t[1:] for t in times], TEXT)[0]
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-5)


def test_odd_latents_are_refused():
    with pytest.raises(
        AnyviewError, match=r"must be even \(image sides .* 16 pixels\), got 5 x 4"
    ) as e:
        joint()([normal(1, 52, 1, 5, 4), normal(1, 52, 1, 4, 4)], [T, T], TEXT)
    assert e.value.code == "odd_latent"


def test_latents_beyond_the_rotary_table_are_refused():
    with pytest.raises(AnyviewError, match="120 token rows or columns") as e:
        joint()([normal(1, 52, 1, 242, 2), normal(1, 52, 1, 2, 2)], [T, T], TEXT)
    assert e.value.code == "latent_too_large"


@pytest.mark.parametrize(
    "sizes", [{"width": 50, "heads": 4}, {"width": 16, "heads": 2}, {"blocks": 0}, {"lora": 0}]
)
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(AnyviewError) as e:
        JointConfig(**sizes)
    assert e.value.code == "invalid_config"


def test_the_release_s_unused_keys_are_ignored():
    state = joint().state_dict()
    unused = ("accum_iteration", "t_embedder.1.linear_1.weight", "pos_embedder.seq")
    unused += ("blocks.1.sattn_rope", "blocks.0.self_attn.q_norm._extra_state")
    loaded = load_state(JointTransformer(SIZES), {**state, **dict.fromkeys(unused, torch.ones(3))})
    assert torch.equal(
        loaded.state_dict()["final_layer.linear.weight"], state["final_layer.linear.weight"]
    )


def test_a_network_on_meta_takes_a_checkpoint():
    with torch.device("meta"):
        network = JointTransformer(SIZES)
    streams = [normal(1, 52, 1, 2, 2), normal(1, 52, 1, 4, 2)]
    expected = joint()(streams, [T, T], TEXT)[0]
    assert torch.equal(
        load_state(network, joint().state_dict())(streams, [T, T], TEXT)[0], expected
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"blocks.0.mlp.layer1.weight": None}, r"blocks\.0\.mlp\.layer1\.weight is missing"),
        ({"surplus.weight": torch.ones(1)}, r"surplus\.weight is unknown"),
        (
            {"t_embedding_norm.weight": torch.ones(7)},
            r"t_embedding_norm\.weight is \(7,\), not \(48,\)",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(change, text):
    state = {k: v for k, v in {**joint().state_dict(), **change}.items() if v is not None}
    with pytest.raises(AnyviewError, match=text) as e:
        load_state(JointTransformer(SIZES), state)
    assert e.value.code == "checkpoint_mismatch"
