"""Clips as one sequence: what continues, what is given as known, and the seam."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.contract import Contract
from anyview_ros.engine.continuation import PreviousClip, blend_seam, known_frames
from anyview_ros.engine.pipeline import SynthesisOptions
from anyview_ros.packages import load_package
from tests.packages import make_package

STAMPS = tuple(range(100, 190, 10))


def grey(level: int, frames: int = 9) -> np.ndarray:
    return np.full((frames, 24, 32, 3), level, np.uint8)


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    made = load_package(make_package(tmp_path_factory.mktemp("models") / "tiny")).contract
    return replace(made, known_frames=True)


@pytest.mark.parametrize(
    ("stamps", "count"),
    [
        ((180, 190, 200, 210), 1),
        ((140, 150, 160, 170, 180, 190), 5),
        ((140, 151, 160, 170), 1),
        ((190, 200, 210), 0),
        ((145, 150, 160), 0),
        ((90, 100, 110), 0),
        ((160, 170, 180), 3),
    ],
)
def test_the_first_frames_of_a_clip_that_were_made_before(
    stamps: tuple[int, ...], count: int
) -> None:
    images = np.stack([grey(k, 1)[0] for k in range(9)])
    before = PreviousClip(STAMPS, images).overlap(stamps, (24, 32))
    assert len(before) == count
    if count:
        start = STAMPS.index(stamps[0])
        np.testing.assert_array_equal(before, images[start : start + count])


def test_frames_of_another_size_are_not_continued() -> None:
    assert len(PreviousClip(STAMPS, grey(1)).overlap((180, 190), (48, 64))) == 0


@pytest.mark.parametrize(("before", "known"), [(0, 0), (1, 1), (4, 1), (5, 5), (8, 5)])
def test_a_model_is_given_whole_groups_of_frames(
    contract: Contract, before: int, known: int
) -> None:
    given = known_frames(contract, grey(1, before), 9, SynthesisOptions())
    assert (0 if given is None else len(given)) == known
    others = replace(contract, known_frames=False)
    assert known_frames(others, grey(1, before), 9, SynthesisOptions()) is None


def test_a_single_step_is_given_none(contract: Contract) -> None:
    for options in (SynthesisOptions(speed="draft"), SynthesisOptions(steps=1)):
        assert known_frames(contract, grey(1, 5), 9, options) is None
    assert known_frames(contract, grey(1, 5), 9, SynthesisOptions(steps=2)) is not None


def test_a_seam_fades_and_the_end_is_the_models_own() -> None:
    frames = blend_seam(grey(100), grey(140, 1))
    levels = frames.mean(axis=(1, 2, 3))
    assert levels[0] == 140
    assert (np.diff(levels) < 0).all()
    assert levels[-1] == 100
    assert np.abs(np.diff(levels)).max() <= 6  # no jump of 40 anywhere


def test_a_clip_that_agrees_with_the_one_before_stays_as_it_is() -> None:
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 255, (9, 24, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(blend_seam(clip, clip[:1]), clip)
    np.testing.assert_array_equal(blend_seam(clip, clip[:0]), clip)


def test_a_clip_that_was_given_what_was_before_stays_as_it_is() -> None:
    rng = np.random.default_rng(0)
    clip, before = (rng.integers(0, 255, (n, 24, 32, 3), dtype=np.uint8) for n in (9, 5))
    clip[4] = before[4]
    np.testing.assert_array_equal(blend_seam(clip, before), np.concatenate([before, clip[5:]]))


def test_what_is_published_before_comes_back_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    clip, before = (rng.integers(0, 255, (n, 24, 32, 3), dtype=np.uint8) for n in (9, 5))
    frames = blend_seam(clip, before)
    np.testing.assert_array_equal(frames[:5], before)
    np.testing.assert_array_equal(frames[-1], clip[-1])


def test_a_difference_does_not_add_up_over_clips(tmp_path: Path) -> None:
    """Each clip is 10 levels above the one before it: the sequence follows, no more."""
    made = grey(100)
    for k in range(1, 8):
        made = blend_seam(grey(100 + 10 * k), made[-1:])
        assert made[-1].mean() == 100 + 10 * k
