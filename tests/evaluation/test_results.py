"""Means in the protocol's order, verdicts, the page, and scores that seal a package."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anyview_ros.cli.bench import JSON_KEYS
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation import acceptance as verdict
from anyview_ros.evaluation.baselines import COPY, DEPTH_WARP, GROUND_WARP, MEAN_COLOUR, MEAN_IMAGE
from anyview_ros.evaluation.evaluation import (
    OTHER_SEED,
    WRONG_POSE,
    WRONG_SOURCE,
    Outcome,
    SamplingOptions,
)
from anyview_ros.evaluation.html_report import write_page
from anyview_ros.evaluation.publish import publish
from anyview_ros.evaluation.results import lines, summary, write
from anyview_ros.evaluation.run import Failure, Plan, Results
from anyview_ros.evaluation.seal import seal_card
from anyview_ros.packages import load_package
from tests.evaluation.scenes import world_suite
from tests.packages import make_package

GROUPS = {"g": ("a", "b"), "h": ("c",), "nothing": ("d",)}
TABLE: dict[str, dict[str, float | None]] = {
    "exact": {"psnr": 20.0, "covisible_psnr": 22.0, "hidden_psnr": 18.0, "sharpness": 0.6},
    COPY: {"psnr": 14.0},
    MEAN_IMAGE: {"psnr": 16.0},
    MEAN_COLOUR: {"psnr": 15.0},
    GROUND_WARP: {"psnr": 19.0, "covisible_psnr": 21.0, "hidden_psnr": 15.0},
    DEPTH_WARP: {"psnr": 21.0, "covisible_psnr": 28.0, "hidden_psnr": 15.5},
    WRONG_POSE: {"psnr": 18.9, "cost_db": 1.0},
    WRONG_SOURCE: {"psnr": 17.9, "cost_db": 2.0},
    OTHER_SEED: {"psnr": 19.8, "layout_correlation": 0.95},
}


def outcome(split: str, name: str, psnr: float | None, turned: float = 0.0) -> Outcome:
    row = {"psnr": psnr, "rotation_deg": turned}
    return Outcome(split, name, {"exact": row, COPY: {"psnr": 1.0}}, {}, 2)


OUTCOMES = (
    *(outcome("a", f"a_ep{k}", p, t) for k, (p, t) in enumerate([(10, 1), (20, 2), (30, 90)])),
    outcome("b", "b_ep0", 40.0),
    outcome("b", "b_ep1", None),
    outcome("c", "c_ep0", 60.0),
)


def test_means_go_from_episodes_to_splits_to_groups() -> None:
    found = summary(Results(OUTCOMES, ()), GROUPS)
    assert found["splits"]["a"]["exact"] == {"psnr": 20.0, "rotation_deg": 2}  # a median
    assert found["splits"]["b"]["exact"]["psnr"] == 40  # of the one that has it
    assert found["groups"].keys() == {"g", "h"}
    assert found["groups"]["g"]["exact"]["psnr"] == 30
    assert found["mean"]["all groups"]["exact"]["psnr"] == 45
    assert found["mean"]["all groups"][COPY] == {"psnr": 1}


def test_a_model_that_shows_everything_has_no_shortfall() -> None:
    assert verdict.shortfalls(TABLE, "exact") == []


@pytest.mark.parametrize(
    ("method", "figure", "value"),
    [
        (COPY, "psnr", 20.0),
        (MEAN_IMAGE, "psnr", 20.1),
        (MEAN_COLOUR, "psnr", 25.0),
        (GROUND_WARP, "psnr", 20.0),
        (GROUND_WARP, "covisible_psnr", 22.5),
        (GROUND_WARP, "hidden_psnr", 18.5),
        (DEPTH_WARP, "hidden_psnr", 18.0),
        (WRONG_POSE, "cost_db", 0.99),
        (WRONG_SOURCE, "cost_db", 1.99),
        ("exact", "sharpness", 0.49),
        (OTHER_SEED, "layout_correlation", 0.8),
    ],
)
def test_each_shortfall_is_named(method: str, figure: str, value: float) -> None:
    worse = {**TABLE, method: {**TABLE[method], figure: value}}
    (text,) = verdict.shortfalls(worse, "exact")
    assert f"{value:.2f}" in text
    assert method in text or method in ("exact", OTHER_SEED)
    assert verdict.notes({"street": worse}, "exact") == [f"street: {text}"]


class Links(HTMLParser):
    """What a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Plan, dict[str, Any]]:
    package = load_package(make_package(tmp_path / "tiny"))
    plan = Plan(
        world_suite(), package, SamplingOptions(("exact",)), "none", "cpu", tmp_path / "out"
    )
    plan.out.mkdir()
    rows = [outcome("street_narrow", f"street_narrow_ep{k}", 10.0 + k) for k in range(2)]
    failure = Failure("street_long", "street_long_ep0", "not_finite", "a <b> & c")
    return plan, write(plan, Results(tuple(rows), (failure,)), ["street: not <sharp>"])


def test_results_are_written_for_programs_and_people(written: tuple[Plan, dict[str, Any]]) -> None:
    plan, content = written
    assert json.loads((plan.out / "results.json").read_text()) == json.loads(json.dumps(content))
    assert content["failed"][0]["code"] == "not_finite"
    assert content.keys() == JSON_KEYS.keys()
    with (plan.out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["episode"], r["method"], r["psnr"]) for r in rows[:2]] == [
        ("street_narrow_ep0", "exact", "10.0"),
        ("street_narrow_ep0", COPY, "1.0"),
    ]
    table = "\n".join(lines(content))
    assert re.search(r"^street +PSNR dB +turned deg$", table, re.M)
    assert re.search(r"^exact +10\.50 +0\.000$", table, re.M)


def test_the_page_needs_nothing_but_the_folder(written: tuple[Plan, dict[str, Any]]) -> None:
    plan, content = written
    (plan.out / "contact_sheet.png").touch()
    write_page(plan.out, content)
    text = (plan.out / "index.html").read_text()
    assert Links(text).found == [
        "contact_sheet.png",
        "episodes/street_narrow/street_narrow_ep0.mp4",
        "episodes/street_narrow/street_narrow_ep1.mp4",
    ]
    assert "http" not in text
    assert "street_long_ep0: [not_finite] a &lt;b&gt; &amp; c" in text
    assert "street: not &lt;sharp&gt;" in text


def test_publishing_fills_the_card_and_seals_what_is_there(
    written: tuple[Plan, dict[str, Any]],
) -> None:
    plan, content = written
    folder, sheet = plan.package.path, plan.out / "contact_sheet.png"
    cv2.imwrite(str(sheet), np.full((4, 4, 3), 9, np.uint8))
    card = folder / "README.md"
    card.write_text("# A model\n<!-- scores -->\nold\n<!-- /scores -->\nthe rest\n")
    for _ in range(2):  # the second time changes nothing
        publish(plan.package, verdict.scores(content), sheet)
        sealed = load_package(folder)
        assert {"sheet.png", "README.md"} <= sealed.contract.files.keys()
        assert sealed.contract.scores["kinds"]["street"]["exact"]["psnr"] == 10.5
        assert sealed.contract.scores["world_seeds"] == "7:9"
        assert card.read_text() == (
            "# A model\n<!-- scores -->\n\n| street | PSNR dB | turned deg |\n| --- | --- | --- |\n"
            f"| exact | 10.50 | 0.000 |\n| {COPY} | 1.00 |  |\n\n<!-- /scores -->\nthe rest\n"
        )
    card.write_text("edited")
    with pytest.raises(AnyviewError, match=r"'README.md' in .* has sha256"):
        load_package(folder)
    seal_card(folder)
    assert load_package(folder).contract.scores == sealed.contract.scores
    (folder / "decode.onnx").write_bytes(b"x")
    seal_card(folder)
    with pytest.raises(AnyviewError, match=r"'decode.onnx' in .* has sha256"):
        load_package(folder)
