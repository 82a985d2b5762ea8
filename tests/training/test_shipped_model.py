"""The model that ships: whole, small enough, honest in its card, and better than no model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from anyview_ros.contract import load_package
from anyview_ros.tools.bench import perceptual
from anyview_ros.tools.bench.baselines import COPY, MEAN_COLOUR, MEAN_IMAGE
from anyview_ros.tools.bench.evaluation import WRONG_POSE, WRONG_SOURCE, Asking
from anyview_ros.tools.bench.results import summary
from anyview_ros.tools.bench.run import Plan, Results, attempt, open_evaluator
from anyview_ros.tools.bench.verdict import shortfalls
from anyview_ros.tools.bench.world_suite import WorldSuite

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "models" / "street-plain-7m"
MIB = 2**20
BEATEN = (COPY, MEAN_IMAGE, MEAN_COLOUR)  # over all pixels


def recorded() -> dict[str, Any]:
    return dict(load_package(PACKAGE).contract.scores)


def test_it_is_small_and_every_file_is_sealed() -> None:
    sealed = load_package(PACKAGE).contract.files.keys() | {"manifest.json"}
    sizes = {file.name: file.stat().st_size for file in PACKAGE.iterdir()}
    assert sizes.keys() == sealed
    assert max(sizes.values()) < 16 * MIB
    assert sum(sizes.values()) < 40 * MIB


def test_it_came_from_the_config_in_the_tree() -> None:
    config = ROOT / "config" / "training" / f"{PACKAGE.name}.toml"
    assert (PACKAGE / "training.toml").read_text() == config.read_text()


def test_its_recorded_scores_hold() -> None:
    """It is blurred, and no rival of warps; but it uses the pose and the source."""
    for table in recorded()["kinds"].values():
        missed = shortfalls(table, "exact")
        assert not [text for text in missed for name in BEATEN if f"'{name}'" in text]
        assert table[WRONG_POSE]["cost_db"] > 1
        assert table[WRONG_SOURCE]["cost_db"] > 2


@pytest.mark.parametrize("file", [PACKAGE / "README.md", ROOT / "docs" / "training.md"])
def test_the_tables_of_card_and_docs_are_those_scores(file: Path) -> None:
    (table,) = recorded()["kinds"].values()
    rows = dict(re.findall(r"^\| ([^|]+?) \| (\d+\.\d\d) \|", file.read_text(), re.MULTILINE))
    assert {name: rows.get(name) for name in table} == {
        name: f"{row['psnr']:.2f}" for name, row in table.items()
    }


def test_its_graphs_name_no_path_of_the_machine_that_made_them() -> None:
    for graph in PACKAGE.glob("*.onnx"):
        assert b".py" not in graph.read_bytes()


def test_it_beats_the_baselines_on_worlds_it_never_saw(tmp_path: Path) -> None:
    """A few worlds beyond those of the card: margins are wide there too."""
    package = load_package(PACKAGE)
    suite = WorldSuite.of(package.contract, ("street",), ("narrow",), (950000, 950004))
    plan = Plan(suite, package, Asking(("exact",)), perceptual.NONE, "cpu", tmp_path)
    evaluator = open_evaluator(plan)
    outcomes = tuple(attempt(evaluator, e, plan.folder(e)) for e in suite.episodes())
    table = summary(Results(outcomes, ()), suite.groups)["groups"]["street"]  # type: ignore[arg-type]
    for name in BEATEN:
        assert table["exact"]["psnr"] > table[name]["psnr"]  # type: ignore[operator]
