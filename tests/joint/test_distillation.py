"""Students of the joint network: what they learn, sharded or not, and how they go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from anyview_ros.cli.__main__ import main
from anyview_ros.engine import conditioning, sampler
from anyview_ros.engine.onnx.runtime import Graph
from anyview_ros.engine.pipeline import Pipeline, SynthesisOptions
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import rigid
from anyview_ros.model.checkpoint import read_checkpoint
from anyview_ros.model.joint.config import PRECISIONS
from anyview_ros.model.joint.export import joint_contract
from anyview_ros.model.joint.imported import Import
from anyview_ros.model.joint.package import network_of
from anyview_ros.model.joint.transformer import JointTransformer
from anyview_ros.packages import load_package
from anyview_ros.training import distributed
from anyview_ros.training.batches import Example
from anyview_ros.training.distributed import process_group
from anyview_ros.training.joint.config import JointRun, parse_joint, student_text, teacher_schedule
from anyview_ros.training.joint.distillation import JointDistiller, denoiser
from anyview_ros.training.joint.examples import EncodedExample, encode_example, joint_example
from anyview_ros.training.loop import LATEST, Progress, train
from anyview_ros.training.phased_distillation import integrate_unknown
from tests.joint.tiny_student import CONFIG, STUDENT, distiller, fake_import, tiny_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    torch.set_num_threads(1)
    with process_group(torch.device("cpu"), alone=True):
        yield tmp_path_factory.mktemp("distillation")


@pytest.fixture(scope="module")
def teacher(folder: Path) -> Import:
    return fake_import(folder)


def stepped(trainer: JointDistiller) -> Progress:
    return trainer.train_step(trainer.draw(trainer.step))


def take(trainer: JointDistiller, weights: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, weight in trainer.network.named_parameters():
            weight.copy_(weights[name])


def test_one_step_of_a_student_comes_nearer_to_many_steps_of_its_teacher(
    folder: Path, teacher: Import
) -> None:
    trainer = distiller(folder, teacher, levels=(80.0,), steps=24)
    for _ in range(24):
        stepped(trainer)
    take(trainer, trainer.ema)
    encoded = [encode_example(q, trainer.autoencoder, trainer.device) for q in trainer.draw(1000)]

    @torch.no_grad()
    def clips(network: torch.nn.Module, levels: tuple[float, ...], solver: str) -> Tensor:
        of = [(denoiser(network, a, trainer.text), a) for a in encoded]  # type: ignore[arg-type]
        return torch.cat([integrate_unknown(a, f, a.start(80.0), levels, solver) for f, a in of])

    wanted = clips(trainer.teacher, STUDENT.teacher_levels, "ab2")
    student, few = (
        float((clips(network, (80.0, 0.0), "euler") - wanted).square().mean())
        for network in (trainer.network, trainer.teacher)
    )
    assert student < 0.25 * few


def test_the_teachers_way_is_the_sampler_of_the_release() -> None:
    """35 steps and the clean pass, against the engine; a denoiser that is no network."""
    noise = torch.randn(1, 16, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    encoded = EncodedExample(noise, noise, noise)
    levels, solver = teacher_schedule("exact")
    assert len(levels) == 37  # 36 calls
    for level, usual in zip(levels, sampler.karras_sigmas(35), strict=False):
        assert level == pytest.approx(usual, rel=1e-12)

    def denoise(y: Tensor, level: float) -> Tensor:
        return torch.tanh(y / (1 + level) + 0.3 * torch.roll(y, 1, -1) / (1 + level))

    def numpy_denoise(y: NDArray[np.float32], level: float) -> NDArray[np.float32]:
        return denoise(torch.from_numpy(y), level).numpy()

    ended = integrate_unknown(encoded, denoise, encoded.start(80.0), levels, solver)
    usual_end = sampler.sample(numpy_denoise, noise.numpy(), levels[:-1], "ab2")
    np.testing.assert_allclose(ended.numpy(), usual_end, atol=2e-5)


def test_shards_have_the_gradients_of_the_whole_network(folder: Path, teacher: Import) -> None:
    """bfloat16 from float32 weights; blocks that are run again; questions one by one."""
    trainer = distiller(folder, teacher)
    examples = trainer.draw(1)
    for example in examples:
        trainer._learn(example, 1, len(examples))
    plain = network_of(teacher, PRECISIONS["bf16"]).float().requires_grad_(True)
    for example in examples:
        encoded = encode_example(example, trainer.autoencoder, trainer.device)
        pair = trainer._training_pair(encoded, 1)
        answer = denoiser(plain, encoded, trainer.text)(pair.y, pair.level)
        ((answer - pair.wanted).square().mean() / len(examples)).backward()
    for name, weight in plain.named_parameters():
        share = trainer._weights[name].grad
        if weight.grad is None:
            assert share is None, name  # the source's own output is nobody's
            continue
        assert share is not None, name
        error = (share.full_tensor() - weight.grad).norm() / weight.grad.norm()  # type: ignore[attr-defined]
        assert error < 0.01, name
        assert weight.grad.norm() > 0, name


def test_blocks_keep_nothing_of_their_own_until_they_run_again(
    folder: Path, teacher: Import
) -> None:
    trainer = distiller(folder, teacher)
    plain = network_of(teacher, PRECISIONS["bf16"]).float().requires_grad_(True)
    encoded = encode_example(trainer.draw(0)[0], trainer.autoencoder, trainer.device)

    def kept_bytes(network: JointTransformer) -> int:
        kept: list[int] = []
        with saved_tensors_hooks(lambda t: kept.append(t.nbytes), lambda nothing: nothing):
            denoiser(network, encoded, trainer.text)(encoded.start(80.0), 80.0)
        return sum(kept)

    assert kept_bytes(trainer.network) < 0.2 * kept_bytes(plain)


def test_a_student_that_goes_its_teachers_way_has_nothing_to_learn(
    folder: Path, teacher: Import
) -> None:
    trainer = distiller(folder, teacher, teacher_levels=(80.0, 2.0, 0.0))
    (example, _) = trainer.draw(0)
    losses = [float(trainer._learn(example, phase, 1)) for phase in (0, 1)]
    assert max(losses) < 1e-9


def losses_of(trainer: JointDistiller, out: Path, until: int, resume: bool = False) -> list[float]:
    seen: list[Progress] = []
    train(trainer, out, resume, lambda: trainer.step >= until, seen.append)
    return [progress.loss for progress in seen]


def test_a_resumed_distillation_equals_one_that_never_stopped(
    folder: Path, teacher: Import, tmp_path: Path
) -> None:
    whole = losses_of(distiller(folder, teacher), tmp_path / "whole", 5)
    halves = losses_of(distiller(folder, teacher), tmp_path / "halves", 2)
    halves += losses_of(distiller(folder, teacher), tmp_path / "halves", 5, resume=True)
    assert halves == whole
    one, other = (read_checkpoint(tmp_path / n / LATEST) for n in ("whole", "halves"))
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    with pytest.raises(AnyviewError, match="another student; train with"):
        distiller(folder, teacher, levels=(80.0, 5.0)).restore(one)
    fewer = {k: v for k, v in one.tensors.items() if "blocks.1" not in k}
    with pytest.raises(AnyviewError, match=r"of another network: blocks\.1\..* differ"):
        distiller(folder, teacher).restore(replace(one, tensors=fewer))


def videos_seen(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float32]]:
    """What the engine's `encode` is called with from now on."""
    seen = []
    call = Graph.__call__

    def noted(graph: Graph, **arrays: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        seen.extend(video for name, video in arrays.items() if name == "frames")
        return call(graph, **arrays)

    monkeypatch.setattr(Graph, "__call__", noted)
    return seen


def test_a_package_makes_what_the_student_made_in_training(
    folder: Path, teacher: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From cameras and clips: the same rays, streams, noise and steps, by the engine."""
    trainer = distiller(folder, teacher)
    train(trainer, tmp_path, False, lambda: trainer.step >= 3)
    command = ["export", str(tmp_path / LATEST), "--out", str(tmp_path / "models")]
    assert main([*command, "--frames", "5", "--exact-size", "32", "48"]) == 0
    package = load_package(tmp_path / "models" / "fake-2step-5x32x48")
    assert package.contract.sigmas == {"exact": (80.0, 2.0, 0.0), "draft": (80.0, 0.0)}
    assert package.contract.solver == "euler"
    assert "[student]" in (package.path / "training.toml").read_text()
    assert "Licensed by NVIDIA" in (package.path / "LICENCES.md").read_text()

    scene = trainer.stores["street"][0]
    moved = [rigid(np.eye(3), (0.0, 0.0, 0.5 * frame)) for frame in range(5)]
    scene = replace(scene, world_from_cam=scene.world_from_cam @ np.stack(moved))
    options = SynthesisOptions(seed=3, scene_scale=0.0625)
    pipeline = Pipeline(package, "cpu", 1)
    videos = videos_seen(monkeypatch)
    made = pipeline.synthesize([scene.clip(0)], scene.view(2), options)
    example = joint_example(Example(scene, [0], [2]), 0.0625, 0)
    encoded = encode_example(example, trainer.autoencoder, trainer.device)
    noise = sampler.unit_noise(3, encoded.noise.shape[1:])[None]
    encoded = replace(encoded, noise=torch.from_numpy(noise))
    take(trainer, trainer.ema)
    with torch.no_grad():
        denoise = denoiser(trainer.network, encoded, trainer.text)
        latent = integrate_unknown(encoded, denoise, encoded.start(80.0), (80.0, 2.0, 0.0))
        frames = conditioning.images_of(trainer.autoencoder.decode(latent).numpy())
    assert np.abs(frames.astype(float) - made.frames).mean() < 0.6  # one step alone: 0.76

    # The network says little about cameras this random, so what is coded is compared too.
    rays = example.source_rays, example.target_rays
    for video in (example.source, *(part for r in rays for part in r.split(3, dim=1))):
        apart = [float(np.abs(video.numpy() - seen).max()) for seen in videos]
        assert sorted(apart)[0] < 1e-5 < 1e-2 < sorted(apart)[1]
    assert len(videos) == 5


def test_files_are_resized_by_the_rules_of_the_package() -> None:
    contract = joint_contract("x", (5, 32, 48), 1.0, "")
    assert (contract.resampler, contract.pixel_rule) == JointRun.RESIZING


def test_scenes_that_cannot_be_shared_evenly_are_refused(
    folder: Path, teacher: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "rank_and_processes", lambda: (0, 3))
    with pytest.raises(AnyviewError, match="2, must be a multiple of the number of processes, 3"):
        distiller(folder, teacher)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("frames = 5", "frames = 6", "invalid_num_frames"),
        ("frames = 5", "frames = 45", "too_many_frames"),
        ("[32, 48]", "[32, 40]", "invalid_size"),
        ("[training]", "[training]\nknown = 0.5", "invalid_config"),
        ("street = 0.8", "sea = 0.8", "invalid_config"),
        ('family = "joint"', 'family = "one_way"', "invalid_config"),
        ('family = "joint"', "", "invalid_config"),
        ("[mixture]", "[teacher]\n[mixture]", "invalid_config"),
        ("[mixture]", "[mixture", "invalid_config"),
    ],
)
def test_configs_that_cannot_be_are_refused(
    folder: Path, teacher: Import, tmp_path: Path, old: str, new: str, code: str
) -> None:
    assert CONFIG.count(old) == 1
    (tmp_path / "x.toml").write_text(CONFIG.replace(old, new))
    with pytest.raises(AnyviewError) as refused:
        parse_joint(student_text(tmp_path / "x.toml", teacher, STUDENT))
    assert refused.value.code == code


def test_the_config_that_ships_is_one(folder: Path, teacher: Import) -> None:
    shipped = Path(__file__).parents[2] / "config" / "distillation" / "joint.toml"
    run = parse_joint(student_text(shipped, teacher, STUDENT))
    assert run.teacher.network == teacher.network
    assert run == parse_joint(run.text)
    assert tiny_run(folder, teacher).changes(run) == ["scenes", "training"]
