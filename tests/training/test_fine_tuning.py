"""A run that begins with the weights of a package: they are read back from its graphs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyview_ros.cli import __main__ as cli
from anyview_ros.errors import AnyviewError
from anyview_ros.model.parameters import PARAMETERS
from anyview_ros.training.loop import Trainer
from anyview_ros.training.package import package_run, parameters_of
from tests.training.tiny import painted, stepped, tiny_run, tiny_trainer


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trainer]:
    """A package of a few steps, and what it was made of."""
    trainer = tiny_trainer(tiny_run())
    for _ in range(6):
        stepped(trainer)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    package_run(folder, trainer.run, trainer.checkpoint())
    return folder, trainer


def fresh(**network: int) -> Trainer:
    run = tiny_run(seed=99)
    run = replace(run, network=replace(run.network, **network))
    return Trainer(run, painted(run), torch.device("cpu"))


def test_every_weight_is_read_back_as_the_package_has_it(trained: tuple[Path, Trainer]) -> None:
    folder, trainer = trained
    network, codec = parameters_of(folder)
    for found, kept in ((network, trainer.ema), (codec, trainer.codec)):
        wanted = kept.state_dict()
        assert found.keys() == wanted.keys()
        for name, tensor in wanted.items():
            assert torch.allclose(found[name], tensor, rtol=1e-3, atol=1e-6), name


def test_a_run_begins_where_the_package_is(trained: tuple[Path, Trainer]) -> None:
    folder, trainer = trained
    begun, anew = fresh(), fresh()
    begun.start_from(folder)
    for each in (begun, anew):
        each.fit()
    assert torch.equal(begun.codec.first_basis, parameters_of(folder)[1]["first_basis"])
    batch = trainer.draw(0)
    with torch.no_grad():
        losses = [float(each.loss(each.codec, batch).mean()) for each in (begun, anew)]
    assert losses[0] < 0.9 * losses[1]


def test_another_network_is_refused(trained: tuple[Path, Trainer]) -> None:
    with pytest.raises(AnyviewError, match="holds another network") as refused:
        fresh(depth=1).start_from(trained[0])
    assert refused.value.code == "other_network"


def test_a_package_that_does_not_say_where_its_weights_are_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnyviewError, match=f"has no {PARAMETERS}") as refused:
        fresh().start_from(tmp_path)
    assert refused.value.code == "no_parameters"


def test_beginning_and_resuming_exclude_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "any.toml", "--from", "tiny", "--resume", "--out", str(tmp_path)]
    assert cli.main(arguments) == 1
    assert "wrong_option" in capsys.readouterr().err
