"""Whether a stream waits, tries again or gives up, by what a retry needs."""

from __future__ import annotations

import pytest

from anyview_ros.clips.streaming.retry_policy import MAX_DEATHS, PASSING_S, RetryPolicy
from anyview_ros.errors import AnyviewError

LIVE, LOSSLESS = False, True
NOW_NS = 10**12


def error(code: str) -> AnyviewError:
    return AnyviewError(code, "some words")


def policy(patience_s: float = 1.0) -> RetryPolicy:
    return RetryPolicy(patience_s, lambda: NOW_NS)


@pytest.mark.parametrize(
    ("code", "live", "lossless"),
    [
        ("no_model", True, True),
        ("tf_waiting", True, True),
        ("too_few_frames", True, False),  # the frames of a lossless clip have left the buffer
        ("tf_expired", False, False),
        ("clip_gap", False, False),
        ("worker_died", False, False),
        ("worker_hung", False, False),
        ("inference_failed", False, False),
    ],
)
def test_a_stream_waits_for_what_may_still_come(code: str, live: bool, lossless: bool) -> None:
    assert policy().is_worth_waiting(error(code), LIVE) == live
    assert policy().is_worth_waiting(error(code), LOSSLESS) == lossless


def test_patience_ends_for_transforms_only() -> None:
    assert not policy(0.0).is_worth_waiting(error("tf_waiting"), LOSSLESS)
    assert policy(0.0).is_worth_waiting(error("no_model"), LOSSLESS)


@pytest.mark.parametrize("code", ["too_few_frames", "too_old", "clip_gap", "calibration_changed"])
def test_a_clip_that_continues_is_tried_without_the_frames_before(code: str) -> None:
    assert policy().is_worth_a_shorter_clip(error(code), continues=True)
    assert not policy().is_worth_a_shorter_clip(error(code), continues=False)
    assert not policy().outlives(error(code))


def test_a_clip_that_ends_every_process_rests_longer_and_longer_and_is_given_up() -> None:
    now_s, rests = [100.0], []
    retries = RetryPolicy(1.0, lambda: NOW_NS, lambda: now_s[0])
    for k in range(MAX_DEATHS - 1):
        assert retries.outlives(error("worker_hung" if k % 2 else "worker_died"))
        began = now_s[0]
        while retries.is_resting:
            now_s[0] += 0.5
        rests.append(now_s[0] - began)
    assert rests == [0, 1, 2, 4, 8, 16, 30, 30, 30], "two minutes, as docs/streaming.md says"
    assert not retries.outlives(error("worker_died"))
    retries.begin_clip()
    assert not retries.is_resting
    assert retries.outlives(error("worker_died"))


@pytest.mark.parametrize("code", ["not_yet", "too_few_frames"])
def test_frames_that_are_to_come_are_reported_when_they_stay_away(code: str) -> None:
    now = [NOW_NS]
    retries = RetryPolicy(1.0, lambda: now[0])
    retries.rest(error(code))
    assert retries.problem is None
    now[0] += int(PASSING_S * 1e9)
    retries.rest(error(code))
    assert retries.problem is None
    now[0] += 1
    assert retries.problem is not None
    retries.reset()
    assert retries.problem is None
    retries.rest(error(code))
    assert retries.problem is None, "it lasts anew"


def test_what_does_not_pass_is_reported_at_once() -> None:
    retries = policy()
    retries.rest(error("no_model"))
    assert retries.problem is not None
