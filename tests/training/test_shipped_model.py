"""The model that ships: whole, small enough, honest in its card, and better than no model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anyview_ros.contract import load_package
from anyview_ros.tools.score import BASELINES, ScoreTable, held_out, score_package
from anyview_ros.training import store as store_module
from anyview_ros.training.store import SceneStore

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "models" / "street-plain-7m"
MIB = 2**20


def recorded() -> ScoreTable:
    scores = load_package(PACKAGE).contract.scores
    first, last = map(int, scores["world_seeds"].split(":"))
    return ScoreTable((first, last), scores["clips"], scores["model"], scores["others"])


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
    assert recorded().unmet() == []
    assert recorded().clips >= 128


@pytest.mark.parametrize("file", [PACKAGE / "README.md", ROOT / "docs" / "training.md"])
def test_the_tables_of_card_and_docs_are_those_scores(file: Path) -> None:
    scores = recorded()
    rows = dict(re.findall(r"^\| ([^|]+?) \| (\d+\.\d\d) \|", file.read_text(), re.MULTILINE))
    expected = {**scores.model, **scores.others}
    assert {name: rows.get(name) for name in expected} == {
        name: f"{value:.2f}" for name, value in expected.items()
    }


def test_its_graphs_name_no_path_of_the_machine_that_made_them() -> None:
    for graph in PACKAGE.glob("*.onnx"):
        assert b".py" not in graph.read_bytes()


def test_it_beats_the_baselines_on_worlds_it_never_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few worlds beyond those of the card: margins are wide there too."""
    monkeypatch.setattr(store_module, "SHARD", 4)
    package = load_package(PACKAGE)
    store = SceneStore(held_out(package.contract, "street", 950000, 950004), tmp_path)
    store.render_shard(0)
    table = score_package(package, store, lambda done, total: None)
    assert table.clips == 8
    for name in BASELINES:
        assert table.model["exact"] > table.others[name]
