"""docs/streaming.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from anyview_ros.clips.clip_windows import ClipShape
from anyview_ros.clips.streaming import stream
from anyview_ros.clips.streaming.pending_frames import SUPERSEDED
from anyview_ros.clips.streaming.stream_ledger import CLIPS_REMEMBERED, RATE_WINDOW_NS, StreamLedger
from anyview_ros.clips.virtual.camera_request import StreamRequest
from anyview_ros.node.diagnostics import FULL_RATE, SILENT_S, stream_values
from anyview_ros.node.parameters import NODE_PARAMETERS
from anyview_ros.node.streaming import back_pressure
from anyview_ros.packages import find_package, load_package

DOC = " ".join((Path(__file__).parents[3] / "docs" / "streaming.md").read_text().split())
WORDS = set(re.findall(r"`([\w.<>]+)`", DOC))
DEFAULTS = {p.name: p.default for p in NODE_PARAMETERS}


def test_every_value_of_the_diagnostics_is_told() -> None:
    status = stream.StreamStatus(
        StreamRequest(10.0, False, 0), ("front",), StreamLedger().snapshot(0), None, 0.0
    )
    assert set(stream_values(status)) <= WORDS
    assert "skipped.<reason>" in WORDS


def test_every_failure_of_the_back_pressure_is_told() -> None:
    source = Path(str(back_pressure.__file__)).read_text()
    codes = set(re.findall(r'(?:_fail|AnyviewError)\(\s*"(\w+)"', source))
    assert {*codes, back_pressure.ABSENT} <= WORDS


def test_the_figures_are_those_of_the_code() -> None:
    assert f"`flush_s` ({DEFAULTS['flush_s']:g} s" in DOC
    assert f"The default node is `{DEFAULTS['back_pressure_node']}`" in DOC
    assert f"no answer within {back_pressure.ANSWER_TIMEOUT_S:g} s" in DOC
    assert f"less than {FULL_RATE:.0%} of its rate".replace("%", " %") in DOC
    assert f"of the last {CLIPS_REMEMBERED} clips" in DOC
    assert f"`source_silent` | no usable frame of the first source came for {SILENT_S:g} s" in DOC
    assert RATE_WINDOW_NS == 10_000_000_000
    assert "the last ten seconds" in DOC
    contract = load_package(find_package(str(DEFAULTS["model"]))).contract
    shape = ClipShape.of(contract)
    assert f"({shape.overlap} of {shape.frames}, 5 of 41)" in DOC


def test_the_reasons_are_those_of_the_code() -> None:
    told = {word.removeprefix("skipped.") for word in WORDS}
    assert {SUPERSEDED, stream.OFF_GRID, stream.CLOCK_JUMPED} <= told
