"""When exports take their samples, and what is too far from them."""

from __future__ import annotations

import numpy as np
import pytest

from anyview_ros.augment.exports.clock import Clock, Samples, check_rate, constant_rate, sample
from anyview_ros.errors import AnyviewError

MS = 1_000_000
FRONT = [k * 100 * MS for k in range(1, 21)]


def refused(clock: Clock, *more: list[int], times: tuple[int, ...] = ()) -> AnyviewError:
    with pytest.raises(AnyviewError) as refusal:
        sample(clock, {f"camera{k}": stamps for k, stamps in enumerate(more)}, times)
    return refusal.value


def brute_nearest(samples: Samples, stamps: list[int]) -> list[int]:
    return [min(stamps, key=lambda stamp: (abs(stamp - t), stamp)) for t in samples.times_ns]


def test_samples_are_in_the_common_time_and_their_frames_are_the_nearest() -> None:
    late = [stamp + 30 * MS for stamp in FRONT[2:]]
    found = sample(Clock(fps=10), {"front": FRONT, "late": late})
    assert found.times_ns.tolist() == [330 * MS + k * 100 * MS for k in range(17)]
    assert found.stamps_ns["front"].tolist() == brute_nearest(found, FRONT)
    assert found.stamps_ns["late"].tolist() == late[:17]
    assert (found.worst_s, found.mean_s) == (0.03, 0.015)
    assert "0.0150 s away on average, 0.0300 s at worst (front)" in found.line()


def test_a_rate_that_divides_no_second_does_not_drift() -> None:
    stamps = [round(k * 1e9 / 7) for k in range(7001)]
    found = sample(Clock(fps=7), {"front": stamps})
    assert len(found) == 7001
    assert found.worst_s < 1e-8
    assert constant_rate(found) == 7


def test_of_two_frames_equally_near_the_earlier_one_is_taken() -> None:
    found = sample(Clock(fps=1, tolerance_ns=1000 * MS), {"a": [0, 2000 * MS], "b": [0, 2000 * MS]})
    assert found.stamps_ns["a"].tolist() == [0, 0, 2000 * MS]


def test_too_far_is_refused_and_allowed_by_what_the_text_says() -> None:
    gap = [*FRONT[:8], *FRONT[11:]]
    error = refused(Clock(fps=10), FRONT, gap)
    assert error.code == "clock_mismatch"
    assert "'camera1' (10 Hz) nearest to the sample of 1.000 s is 0.2000 s away" in error.message
    assert error.message.endswith("or allow it: --tolerance 0.2000")
    found = sample(Clock(fps=10, tolerance_ns=200 * MS), {"front": FRONT, "gap": gap})
    assert len(found) == 20
    assert len(sample(Clock(fps=5), {"front": FRONT, "other": FRONT[::2]})) == 10


def test_messages_of_a_topic_are_the_samples() -> None:
    times = (50 * MS, 240 * MS, 440 * MS, 641 * MS, 5000 * MS)
    found = sample(Clock(topic="/lidar"), {"front": FRONT}, times)
    assert found.times_ns.tolist() == [240 * MS, 440 * MS, 641 * MS]
    assert found.stamps_ns["front"].tolist() == [200 * MS, 400 * MS, 600 * MS]


def test_no_sample_in_the_common_time() -> None:
    assert refused(Clock(fps=10), FRONT[:5], FRONT[9:]).code == "no_common_time"
    assert refused(Clock(topic="/gps"), FRONT, times=(9000 * MS,)).code == "no_common_time"


def test_a_clock_of_irregular_messages_is_no_constant_rate() -> None:
    steady = tuple(FRONT)
    assert constant_rate(sample(Clock(topic="/a"), {"front": FRONT}, steady)) == 10
    with_pause = tuple(stamp for stamp in FRONT if not 700 * MS < stamp < 1400 * MS)
    found = sample(Clock(topic="/a"), {"front": FRONT}, with_pause)
    with pytest.raises(AnyviewError, match=r"sample 7 of the messages of /a is .* pass --fps N"):
        constant_rate(found)


def test_a_virtual_camera_that_is_too_slow_is_refused_before_it_is_made() -> None:
    with pytest.raises(AnyviewError, match=r"a frame every 0.500 s, .* pass --fps 2 or lower"):
        check_rate(Clock(fps=10), 500 * MS, "raised")
    check_rate(Clock(fps=2), 500 * MS, "raised")
    check_rate(Clock(fps=10), 100 * MS, "raised")
    check_rate(Clock(fps=10, tolerance_ns=200 * MS), 500 * MS, "raised")


@pytest.mark.parametrize(
    ("fps", "topic", "tolerance"), [(0, "", 0), (10, "/front", 0), (-1, "", 0), (10, "", -1)]
)
def test_there_is_one_clock(fps: int, topic: str, tolerance: int) -> None:
    with pytest.raises(AnyviewError) as refusal:
        Clock(fps, topic, tolerance)
    assert refusal.value.code == "invalid_parameter"


def test_brute_force_of_random_stamps() -> None:
    generator = np.random.default_rng(3)
    for _ in range(20):
        stamps = np.unique(generator.integers(0, 3000 * MS, 40)).tolist()
        found = sample(Clock(fps=9, tolerance_ns=10**10), {"a": stamps})
        assert found.stamps_ns["a"].tolist() == brute_nearest(found, stamps)
