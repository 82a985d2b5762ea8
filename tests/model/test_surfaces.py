"""The surface network, and the graph of it that is added to a package."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from anyview_ros.cli import __main__ as cli
from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.onnx.self_test import SELF_TEST
from anyview_ros.engine.pipeline import Pipeline
from anyview_ros.errors import AnyviewError
from anyview_ros.model.surfaces.export import add_surfaces, surface_spec
from anyview_ros.model.surfaces.network import SurfaceNetwork, SurfaceNetworkConfig
from anyview_ros.packages import load_package
from anyview_ros.signatures import SIGNATURE
from tests.packages import make_package

RANGE = SurfaceRange(12, 7.0)
SIZES = ((32, 48), (32, 32))


def tiny_network(random: bool = True) -> SurfaceNetwork:
    torch.manual_seed(0)
    network = SurfaceNetwork(SurfaceNetworkConfig((16, 16, 32), (1, 1)), RANGE)
    with torch.no_grad():
        for parameter in network.parameters() if random else ():
            parameter.normal_(std=0.1)
    return network.requires_grad_(False).eval()


def unseen(size: tuple[int, int] = (16, 16)) -> dict[str, Tensor]:
    costs = torch.full((1, 12, *size), 40.0)
    nothing = torch.zeros(1, 1, *size)
    return {"image": nothing + torch.zeros(1, 3, 1, 1), "costs": costs, "smooth": 0 * costs} | {
        "ground": nothing
    }


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (80, 16)])
def test_every_inverse_depth_has_a_score_at_every_size(size: tuple[int, int]) -> None:
    given = {name: 5 * torch.rand_like(value) for name, value in unseen(size).items()}
    scores = tiny_network()(**given)
    assert scores.shape == given["costs"].shape
    assert torch.isfinite(scores).all()


def test_an_untrained_network_knows_the_costs_and_the_ground() -> None:
    network = tiny_network(random=False)
    given = unseen()
    worse = torch.full_like(given["smooth"], 30.0)
    worse[:, 5] = 0.0
    assert (network(**given | {"smooth": worse}).argmax(dim=1) == 5).all()
    on_ground = network(**given | {"ground": given["ground"] + 8 * 7.0 / 11})
    assert (on_ground.argmax(dim=1) == 8).all()


def test_no_ground_is_not_the_sky() -> None:
    """0 says that none is ahead, not that there is one infinitely far away."""
    assert not tiny_network().on(torch.zeros(1, 1, 2, 2)).any()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_package(tmp_path_factory.mktemp("models") / "tiny", sizes=SIZES)
    add_surfaces(folder, tiny_network(), {"surfaces.toml": "family = 'surfaces'"})
    return folder


def test_a_package_with_surfaces_is_whole_and_has_their_known_answers(package: Path) -> None:
    loaded = load_package(package)
    assert loaded.contract.surfaces == RANGE
    files = {"surfaces.onnx", "surfaces.bin", "surfaces.json", "surfaces.toml", SELF_TEST}
    assert files < set(loaded.contract.files)
    assert json.loads((package / SELF_TEST).read_text()).keys() == {"surfaces"}
    Pipeline(loaded, "cpu", 1)  # asks them


@pytest.mark.parametrize(("frames", "size"), [(1, (32, 48)), (3, (32, 32)), (2, (64, 16))])
def test_the_graph_computes_what_torch_does(
    package: Path, frames: int, size: tuple[int, int]
) -> None:
    network = tiny_network()
    spec = surface_spec(network, size, frames)
    (found,) = Graph(package / "surfaces.onnx", "cpu", 1)(
        **{name: value.numpy() for name, value in spec.inputs.items()}
    ).values()
    expected = network(*spec.inputs.values()).numpy()
    # The package's weights are rounded to 16 bits.
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def test_surfaces_are_replaced_and_nothing_else(package: Path, tmp_path: Path) -> None:
    before = load_package(package).contract
    (package / SIGNATURE).write_text("of what is there")
    said = add_surfaces(package, tiny_network(random=False), {})
    assert said.startswith("the signature of 'tiny' is gone")
    assert not (package / SIGNATURE).exists()
    after = load_package(package).contract
    changed = {name for name in after.files if after.files[name] != before.files[name]}
    assert changed == {"surfaces.onnx", "surfaces.bin", "surfaces.json", SELF_TEST}
    assert [file.name for file in package.parent.iterdir()] == [package.name]


def test_a_package_is_whole_wherever_adding_stops(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(package, tmp_path / "tiny")
    other = tiny_network()
    other.head.bias += 1.0
    move = Path.replace

    def stopped(file: Path, target: Path) -> Path:
        if target.name == "surfaces.json":  # after the weights, were files moved one by one
            raise KeyboardInterrupt
        return move(file, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with suppress(KeyboardInterrupt):
        add_surfaces(folder, other, {})
    load_package(folder)
    assert [file.name for file in tmp_path.iterdir()] == ["tiny"]


def test_a_network_that_is_not_finite_is_refused_and_the_package_stays(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "tiny", sizes=SIZES)
    files = {file.name for file in folder.iterdir()}
    network = tiny_network()
    network.head.bias.fill_(torch.nan)
    with pytest.raises(AnyviewError, match=r"apart.*'surfaces': nan"):
        add_surfaces(folder, network, {})
    assert {file.name for file in folder.iterdir()} == files
    assert load_package(folder).contract.surfaces is None


def test_a_package_of_other_sides_is_refused(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "tiny", sizes=((24, 32),))
    with pytest.raises(AnyviewError, match=r"multiples of 16, 'tiny' has \[\(24, 32\)\]"):
        add_surfaces(folder, tiny_network(), {})


def test_a_contract_that_lacks_the_graph_is_refused(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "tiny", surfaces=RANGE)
    with pytest.raises(AnyviewError, match=r"files lacks surfaces\.onnx"):
        load_package(folder)


def test_a_range_of_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnyviewError, match="surfaces must be a count of 2 to 1024"):
        make_package(tmp_path / "tiny", surfaces=SurfaceRange(1, 7.0))
    with pytest.raises(AnyviewError, match="a power above 0"):
        make_package(tmp_path / "even", surfaces=SurfaceRange(12, 7.0, 0.0))


def test_into_is_for_surfaces_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "some-import", "--into", "models/x"]) == 1
    assert "--into is for a run of family 'surfaces', and some-import is none" in (
        capsys.readouterr().err
    )
