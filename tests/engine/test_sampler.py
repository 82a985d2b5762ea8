"""The sampler against a denoiser whose flow is known in closed form."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anyview_ros.contract import CHOICES
from anyview_ros.engine.sampler import (
    MAX_SEED,
    SamplerSettings,
    coefficients,
    denoiser_of,
    initial_state,
    karras_sigmas,
    known_frames_below,
    sample,
    sample_by,
    schedule,
    unit_noise,
)
from anyview_ros.errors import AnyviewError


def gaussian_denoiser(y, sigma):
    """The best x0 for data that is standard normal: E[x0 | y] = y / (1 + sigma^2)."""
    return (y / (1 + sigma**2)).astype(np.float32)


def error_after(steps, solver):
    """Relative error of a sample; the exact flow scales y by sqrt(1 + sigma^2)."""
    sigmas = karras_sigmas(steps)
    noise = np.ones((1, 4), np.float32)
    exact = 80.0 / np.sqrt(1 + 80.0**2)
    return abs(sample(gaussian_denoiser, noise, sigmas, solver)[0, 0] / exact - 1)


def test_euler_converges_to_the_exact_flow_in_first_order():
    errors = [error_after(steps, "euler") for steps in (20, 40, 80)]
    assert errors[2] < 0.04
    assert 1.6 < errors[0] / errors[1] < 2.4
    assert 1.6 < errors[1] / errors[2] < 2.4


def test_ab2_beats_euler():
    assert error_after(40, "ab2") < 0.2 * error_after(40, "euler")


def test_one_step_to_zero_is_one_call_of_the_denoiser():
    calls = []

    def denoiser(y, sigma):
        calls.append(sigma)
        return np.full_like(y, 0.5)

    result = sample(denoiser, np.ones((2, 2), np.float32), (80.0, 0.0))
    assert calls == [80.0]
    np.testing.assert_array_equal(result, 0.5)


def test_a_schedule_that_does_not_end_in_zero_ends_with_a_clean_pass():
    calls = []

    def denoiser(y, sigma):
        calls.append(sigma)
        return y

    sample(denoiser, np.ones((1,), np.float32), (80.0, 2.0, 0.002))
    assert calls == [80.0, 2.0, 0.002]


@pytest.mark.parametrize("solver", CHOICES["solver"])
def test_a_constant_x0_is_reached_from_any_noise(solver):
    result = sample(
        lambda y, sigma: np.full_like(y, 0.25), unit_noise(3, (8,)), karras_sigmas(9), solver
    )
    np.testing.assert_allclose(result, 0.25)


@given(st.integers(1, 60))
@example(34)
@example(35)  # its own
def test_any_number_of_steps_gives_karras_again(steps):
    np.testing.assert_allclose(schedule(karras_sigmas(35), steps), karras_sigmas(steps), rtol=1e-9)


@given(st.integers(2, 40), st.sampled_from(CHOICES["solver"]))
def test_states_stay_a_blend(steps, solver):
    """If state, x0 and previous x0 agree, nothing changes: each row sums to one."""
    np.testing.assert_allclose(coefficients(karras_sigmas(steps), solver).sum(axis=1), 1)


def test_both_predictions_describe_the_same_denoiser():
    x0 = np.float32([0.3, -0.8])
    y = np.float32([2.0, 1.0])
    sigma = 3.0
    t = sigma / (1 + sigma)
    velocity = ((1 - t) * y - x0) / t
    by_x0 = denoiser_of(lambda z, t: x0, "x0")(y, sigma)
    by_velocity = denoiser_of(lambda z, t: velocity.astype(np.float32), "velocity")(y, sigma)
    np.testing.assert_allclose(by_x0, by_velocity, atol=1e-6)


def test_the_network_sees_the_flow_state_and_its_time():
    seen = {}

    def network(z, t):
        seen.update(z=z, t=t)
        return z

    denoiser_of(network, "x0")(np.float32([8.0]), 3.0)
    assert seen["z"][0] == pytest.approx(2.0)
    assert seen["t"].shape == (1,)
    assert seen["t"][0] == pytest.approx(0.75)


def test_the_schedule_is_that_of_edm():
    """arXiv 2206.00364, eq. 5, worked out for the first, one in the middle, and the last."""
    sigmas = karras_sigmas(4)
    middle = ((80 ** (1 / 7) + 0.002 ** (1 / 7)) / 2) ** 7
    assert sigmas[::2] == pytest.approx([80.0, middle, 0.002], rel=1e-12)
    assert middle == pytest.approx(2.5152, abs=1e-4)


@pytest.mark.parametrize("solver", CHOICES["solver"])
def test_a_step_to_zero_takes_the_answer(solver):
    assert coefficients((80.0, 40.0, 0.0), solver)[-1].tolist() == [0.0, 1.0, 0.0]


def test_each_step_is_told_before_it_is_made_and_may_be_refused():
    told, calls = [], []

    def on_step(step, steps):
        told.append((step, steps, len(calls)))
        if step == 2:
            raise KeyboardInterrupt

    def denoiser(y, sigma):
        calls.append(sigma)
        return y

    with pytest.raises(KeyboardInterrupt):
        sample(denoiser, np.ones(1, np.float32), (80.0, 40.0, 20.0, 0.0), on_step=on_step)
    assert told == [(0, 3, 0), (1, 3, 1), (2, 3, 2)]


def test_noise_is_the_same_forever_and_bounded_by_its_seed():
    np.testing.assert_allclose(unit_noise(0, (3,)), [1.7640524, 0.4001572, 0.978738], atol=1e-6)
    assert not np.array_equal(unit_noise(1, (3,)), unit_noise(2, (3,)))
    with pytest.raises(AnyviewError, match=str(MAX_SEED)):
        unit_noise(MAX_SEED + 1, (3,))
    with pytest.raises(AnyviewError, match="got -1") as refused:
        unit_noise(-1, (3,))
    assert refused.value.code == "invalid_seed"
    last = np.random.RandomState(4294967204).standard_normal(3)
    np.testing.assert_array_equal(unit_noise(MAX_SEED, (3,), stream=4), last.astype(np.float32))


@pytest.mark.parametrize("steps", [8, 12, 20])
def test_few_steps_are_best_by_dpmpp2m(steps):
    by_solver = {solver: error_after(steps, solver) for solver in CHOICES["solver"]}
    assert by_solver["dpmpp2m"] < 0.7 * min(by_solver["euler"], by_solver["ab2"])


def test_dpmpp2m_is_of_second_order():
    errors = [error_after(steps, "dpmpp2m") for steps in (40, 80, 160)]
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


def test_dpmpp2m_is_the_published_update():
    """arXiv 2211.01095, algorithm 2, in log-SNR with alpha = 1: lambda = -log sigma."""
    sigmas = (80.0, 30.0, 7.0)
    y, before, now = 2.0, 0.3, 0.7
    h_before, h = np.log(80 / 30), np.log(30 / 7)
    r = h_before / h
    blended = (1 + 1 / (2 * r)) * now - 1 / (2 * r) * before
    expected = 7 / 30 * y - (np.exp(-h) - 1) * blended
    keep, add, add_previous = coefficients(sigmas, "dpmpp2m")[1]
    assert keep * y + add * now + add_previous * before == pytest.approx(expected, rel=1e-12)


def counted(threshold, steps=35):
    """Calls made and the relative error, where answers are reused below a threshold."""
    calls = []

    def denoiser(y, sigma):
        calls.append(sigma)
        return gaussian_denoiser(y, sigma)

    method = SamplerSettings(tuple(karras_sigmas(steps)), "dpmpp2m", threshold)
    found = sample_by(method, denoiser, initial_state(method, np.ones((1, 4), np.float32)))
    return calls, abs(found[0, 0] / (80.0 / np.sqrt(1 + 80.0**2)) - 1)


def test_calls_whose_answer_would_hardly_differ_are_left_out():
    every, exact = counted(0.0)
    some, near = counted(0.1)
    few, far = counted(0.3)
    assert len(every) == 36
    assert 2 < len(few) < len(some) < 30
    assert exact < near < far < 0.2


def test_the_first_two_calls_and_the_clean_pass_are_always_made():
    calls, _ = counted(0.99)
    sigmas = karras_sigmas(35)
    assert calls[:2] == sigmas[:2]
    assert calls[-1] == sigmas[-1]


def test_an_answer_that_never_changes_is_asked_for_twice():
    calls = []

    def denoiser(y, sigma):
        calls.append(sigma)
        return np.full_like(y, 0.5)

    method = SamplerSettings((80.0, 40.0, 20.0, 10.0, 0.0), "euler", 0.01)
    found = sample_by(method, denoiser, initial_state(method, np.ones(3, np.float32)))
    assert calls == [80.0, 40.0]
    np.testing.assert_array_equal(found, 0.5)


def test_a_temperature_is_a_share_of_the_noise() -> None:
    """A denoiser that passes its noise on shows how much of it there was."""
    noise = np.ones(3, np.float32)
    method = SamplerSettings((80.0, 2.0, 0.0), temperature=0.25)
    found = sample_by(method, lambda y, sigma: y / sigma, initial_state(method, noise))
    full = SamplerSettings((80.0, 2.0, 0.0))
    whole = sample_by(full, lambda y, sigma: y / sigma, initial_state(full, noise))
    assert found == pytest.approx(0.25 * whole)


def test_known_frames_join_after_the_first_step():
    assert known_frames_below(SamplerSettings((80.0, 3.0, 0.0))) == 80
    assert known_frames_below(SamplerSettings((80.0, 0.0))) == np.inf
