"""A remedy is tested: what the text of an error tells its reader to set, a check sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.remedies import (  # noqa: F401  (they list their checks)
    augment,
    clips,
    commands,
    engine,
    signatures,
    sources,
    training,
    virtual_cameras,
)
from tests.remedies.collected import Raised, collect
from tests.remedies.listed import CHECKS, OUTSIDE, Remedy, unlisted

LISTED = (*CHECKS, *OUTSIDE)


@pytest.mark.parametrize("remedy", CHECKS, ids=": ".join)
def test_who_does_what_a_text_says_succeeds(remedy: Remedy, tmp_path: Path) -> None:
    CHECKS[remedy](tmp_path)


def test_every_remedy_that_sets_something_is_listed() -> None:
    rest = {f"{r.module}:{r.line} {r.code}": unlisted(r, LISTED) for r in collect()}
    assert {place: text for place, text in rest.items() if text} == {}


@pytest.mark.parametrize("remedy", LISTED, ids=": ".join)
def test_what_is_listed_is_said(remedy: Remedy) -> None:
    module, words = remedy
    assert any(words in raised.text for raised in collect() if raised.module == module)


def test_a_new_remedy_is_seen_behind_those_that_are_listed() -> None:
    text = "need {} frames, have {}; wait {} s or lower num_frames"
    raised = Raised("clips.frame_buffer", 1, "too_few_frames", text)
    assert unlisted(raised, LISTED) == text
    assert not unlisted(raised, [("clips.frame_buffer", "lower num_frames")])
    assert unlisted(raised, [("clips.other", "lower num_frames")])


def test_words_are_followed_to_where_they_are() -> None:
    """Through constants, other modules, functions and what callers pass."""
    texts = {f"{raised.module} {raised.code}": raised.text for raised in collect()}
    assert texts["node.active_inputs inactive"].endswith("ros2 lifecycle set NODE activate")
    rate = "raise the camera's rate to {} Hz or more"
    assert rate in texts["clips.frame_buffer clip_gap"]
    zero = "p is derived from k: leave it zero"
    assert zero in texts["clips.virtual.camera_request invalid_camera"]
    assert len(collect()) > 350
