"""Synthetic splits: the same for a seed every time, and what their names say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.contract import load_package
from anyview_ros.errors import AnyviewError
from anyview_ros.tools.bench.world_suite import CHANGES, LONG_CLIPS, WorldSuite
from anyview_ros.worlds.raycast import render
from tests.bench.scenes import FRAMES, PERIOD_NS, world_suite
from tests.packages import make_package

SUITE = world_suite()


def test_a_question_is_a_function_of_its_name() -> None:
    for episode in SUITE.episodes():
        one, again = SUITE.question(episode), world_suite((0, 99)).question(episode)
        assert np.array_equal(one.truth, again.truth)
        assert np.array_equal(one.source_images, again.source_images)
        assert np.array_equal(one.target.world_from_cam, again.target.world_from_cam)
    truths = [SUITE.question(e).truth[:1].tobytes() for e in SUITE.episodes()]
    assert len(set(truths)) == len(truths) == 6


def test_the_truth_is_what_the_target_camera_sees() -> None:
    question = SUITE.question(SUITE.episodes()[2])
    assert question.shown is not None
    stamp = question.source[3].stamp_ns
    assert stamp - question.source[2].stamp_ns == question.period_ns == PERIOD_NS
    scene, pose = question.shown.world.scene_at(stamp), question.target.world_from_cam[3]
    assert np.array_equal(question.truth[3], render(scene, question.target.camera, pose))


@pytest.mark.parametrize("seed", range(20, 24))
def test_splits_change_the_view_as_much_as_they_say(seed: int) -> None:
    suite = replace(world_suite((seed, seed + 2)), frames=1)
    for episode in suite.episodes():
        shown = suite.question(episode).shown
        assert shown is not None
        change = CHANGES[episode.split.removeprefix("street_")]
        # Measured at a quarter of the resolution when they were chosen.
        overlap = float(shown.covisible[0].mean())
        assert change.overlap[0] - 0.1 < overlap < change.overlap[1] + 0.1
        assert change.rotation[0] <= shown.rotation_deg <= change.rotation[1]


def test_long_episodes_are_several_clips_and_get_no_wrong_questions() -> None:
    by_split = {e.split: e for e in SUITE.episodes()}
    assert len(SUITE.question(by_split["street_long"]).truth) == LONG_CLIPS * FRAMES
    assert SUITE.stranger(by_split["street_long"]) is None
    stranger = SUITE.stranger(by_split["street_narrow"])
    assert stranger is not None
    first = next(e for e in SUITE.episodes() if e.split == "street_narrow")
    assert np.array_equal(stranger.truth, SUITE.question(first).truth)


def test_it_follows_the_contract(tmp_path: Path) -> None:
    contract = load_package(make_package(tmp_path / "tiny")).contract
    suite = WorldSuite.of(contract, ("street",), ("narrow",), (3, 6))
    assert (suite.size, suite.frames, suite.period_ns) == ((24, 32), 9, 10**8)
    assert [e.name for e in suite.episodes()] == [f"street_narrow_ep00000{k}" for k in (3, 4, 5)]
    for seeds in ((5, 6), (6, 3), (-1, 3)):
        with pytest.raises(AnyviewError, match="seeds need at least two worlds, A:B, got"):
            WorldSuite.of(contract, ("street",), ("narrow",), seeds)
