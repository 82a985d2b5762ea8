"""Each folding against the network that is not folded."""

import pytest
import torch

from anyview_ros.model.joint.folding import ConstantText, FoldedDenoiser, OneTokenText
from anyview_ros.model.joint.transformer import grid_of
from anyview_ros.release import stream
from tests.joint.networks import SIZES, joint, normal

NOISY, LATENT = normal(1, 16, 3, 6, 4, seed=2), normal(1, 16, 3, 4, 8, seed=3)
RAYS, SOURCE_RAYS = normal(1, 32, 3, 6, 4, seed=4), normal(1, 32, 3, 4, 8, seed=5)
T = torch.tensor([0.731])


def empty_prompt(tokens=SIZES.text_tokens):
    text = torch.zeros(1, tokens, SIZES.text_width)
    text[:, 0] = normal(SIZES.text_width)
    return text


def packed(latent, rays, generated):
    arrays = (latent.numpy(), *(half.numpy() for half in rays.chunk(2, dim=1)))
    return torch.from_numpy(stream(*arrays, generated=generated))


def unfolded(network, text, t=T):
    streams = [packed(NOISY, RAYS, True), packed(LATENT, SOURCE_RAYS, False)]
    return network(streams, [t[None], t[None]], text)[0][:, :16]


def folded(network, text, times=(), t=T):
    grids = [grid_of(NOISY), grid_of(LATENT)]
    denoiser = FoldedDenoiser(network, text, *grids, times)
    return denoiser, denoiser(NOISY, t, RAYS, denoiser.condition(LATENT, SOURCE_RAYS))


def relative(ours, reference):
    return float((ours - reference).abs().max() / reference.std())


@pytest.mark.parametrize("precision", ["f32", "parity"])
def test_everything_folded_gives_the_same_velocity(precision):
    network, text = joint(precision), empty_prompt()
    denoiser, ours = folded(network, text, times=(0.1, float(T), 0.9))
    assert all(isinstance(block.read_text, OneTokenText) for block in denoiser.blocks)
    assert relative(ours, unfolded(network, text)) < 1e-5


def test_a_text_of_many_tokens_is_not_closed():
    network, text = joint(), normal(1, SIZES.text_tokens, SIZES.text_width)
    denoiser, ours = folded(network, text)
    assert all(isinstance(block.read_text, ConstantText) for block in denoiser.blocks)
    assert relative(ours, unfolded(network, text)) < 1e-5


def test_one_small_value_in_a_later_token_counts():
    network, text = joint(), empty_prompt()
    text[0, 3, 2] = 1e-3
    denoiser, ours = folded(network, text)
    assert isinstance(denoiser.blocks[0].read_text, ConstantText)
    assert relative(ours, unfolded(network, text)) < 1e-5
    assert relative(folded(network, empty_prompt())[1], unfolded(network, text)) > 1e-3


def test_a_text_of_one_token_has_nothing_to_close():
    network, text = joint(), empty_prompt(tokens=1)
    assert relative(folded(network, text)[1], unfolded(network, text)) < 1e-5


def test_the_table_is_the_network_at_each_of_its_times():
    network, text, times = joint("parity"), empty_prompt(), (0.002, 0.4, 0.98)
    for t in map(torch.tensor, times):
        assert (
            relative(
                folded(network, text, times, t[None])[1], folded(network, text, (), t[None])[1]
            )
            < 1e-5
        )


def test_a_time_that_is_not_in_the_table_gives_no_number():
    assert folded(joint(), empty_prompt(), times=(0.2, 0.7))[1].isnan().all()


def test_what_no_one_reads_is_left_out():
    denoiser, _ = folded(joint(), empty_prompt(), times=(float(T),))
    names = set(denoiser.state_dict())
    assert not any("cross_attn" in n or "newviews" in n or "adaln" in n for n in names)
    assert denoiser.head.weight.shape == (4 * 16, SIZES.width)
