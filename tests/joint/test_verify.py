"""What verification itself must see: files and arrays out of place, and numbers gone wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.cli.__main__ import main
from anyview_ros.engine import sampler
from anyview_ros.errors import AnyviewError
from anyview_ros.model.joint.config import JointConfig
from anyview_ros.model.joint.transformer import JointTransformer
from anyview_ros.verify.engines import open_networks
from anyview_ros.verify.golden import MODES, Inputs
from anyview_ros.verify.networks import Call, Weights
from anyview_ros.verify.run import verify
from anyview_ros.verify.tolerance import (
    Bf16Steps,
    Elementwise,
    Exact,
    Measure,
    PeakRatio,
    Relative,
    Score,
)
from tests.joint.golden import GOLDEN, lines
from tests.joint.networks import normal, random_weights

SMALL = "metrics.npz"


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A directory like tests/golden, to be damaged."""
    for entry in GOLDEN.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    return tmp_path


def change(file: Path, **arrays: np.ndarray | None) -> None:
    """Replace arrays of an npz, remove those that are None; `__` in a name stands for `/`."""
    with np.load(file) as old:
        values = {name: old[name] for name in old.files}
    values |= {name.replace("__", "/"): value for name, value in arrays.items()}
    file.unlink()
    np.savez(file, **{name: value for name, value in values.items() if value is not None})


def faults(path: Path, file: str) -> str:
    found = lines(file, path=path)
    return "; ".join(fault for line in found for fault in (*line.faults, *line.found.faults))


def test_an_unknown_array_fails(golden):
    change(golden / SMALL, surplus=np.ones(3))
    assert faults(golden, SMALL) == "surplus is unknown"


@pytest.mark.parametrize("name", ["psnr", "pair1__gt", "episode__num_valid"])
def test_a_missing_array_fails(golden, name):
    change(golden / SMALL, **{name: None})
    assert f"{name.replace('__', '/')} is missing" in faults(golden, SMALL)


def test_a_missing_weight_fails(golden):
    change(golden / "dit_tiny_b.npz", **{"sd__blocks.0.mlp.layer1.weight": None})
    assert "[checkpoint_mismatch]" in faults(golden, "dit_tiny_b.npz")


def test_a_missing_header_fails(golden):
    change(golden / "dit_tiny_b.npz", config=None)
    assert "holds no 'config'" in faults(golden, "dit_tiny_b.npz")


@pytest.mark.parametrize("value", [1e-4, np.nan])
def test_a_wrong_number_fails(golden, value):
    with np.load(golden / SMALL) as arrays:
        ssim = arrays["ssim"].copy()
    ssim[2] += value
    change(golden / SMALL, ssim=ssim)
    assert faults(golden, SMALL).startswith("ssim: max ")


def test_a_wrong_shape_fails(golden):
    change(golden / SMALL, psnr=np.ones(2))
    assert faults(golden, SMALL) == "psnr: shape (6,), not (2,)"


def test_a_file_that_is_no_npz_fails(golden):
    (golden / SMALL).unlink()
    (golden / SMALL).write_text("no")
    assert "cannot be read as npz" in faults(golden, SMALL)


@pytest.mark.parametrize(
    ("config", "text"),
    [("{}", "KeyError"), ("no", "config of dit_tiny_b.npz"), ("[1]", "no JSON object")],
)
def test_a_config_that_says_nothing_fails(golden, config, text):
    change(golden / "dit_tiny_b.npz", config=np.array(config))
    assert len(lines("dit_tiny_b.npz", path=golden)) == 1
    assert text in faults(golden, "dit_tiny_b.npz")


def test_a_truncated_file_fails(golden):
    content = (golden / SMALL).read_bytes()
    (golden / SMALL).unlink()
    (golden / SMALL).write_bytes(content[: len(content) // 2])
    assert "[invalid_golden]" in faults(golden, SMALL)


def test_a_missing_scene_fails(golden):
    (golden / "scene_tiny").unlink()
    assert "metadata.json cannot be read" in faults(golden, "scene_tiny")


def first_lines(path: Path) -> list[str]:
    """Verdicts up to the scene: those on the directory itself."""
    found = []
    for line in verify(path, open_networks("torch")):
        if line.file == "scene_tiny":
            return found
        found.append(str(line))
    return found


def test_an_unknown_file_fails(golden):
    (golden / "more.npz").write_text("")
    unknown, index = first_lines(golden)
    assert unknown.split() == ["more.npz", "any", "FAIL", "unknown", "file"]
    assert "more.npz is not listed" in index


def test_the_index_is_held_against_the_files(golden):
    change(golden / SMALL, pair0__gt=np.ones((2, 2)))
    (line,) = first_lines(golden)
    assert "pair0/gt is listed as (48, 80, 3), the file has (2, 2)" in line
    (golden / "INDEX.txt").unlink()
    assert first_lines(golden) == []


def test_an_empty_directory_fails_in_every_file(tmp_path, capsys):
    assert main(["verify", "--golden", str(tmp_path)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "0 of 14 good"
    assert all("FAIL" in line for line in printed[:-1])


def test_there_must_be_a_directory(tmp_path, capsys):
    assert main(["verify", "--golden", str(tmp_path / "no")]) == 1
    assert "error [missing_file]" in capsys.readouterr().err


def test_the_code_under_test_cannot_read_references():
    inputs = Inputs(GOLDEN / SMALL, readable=["episode/pred"])
    assert inputs["episode/pred"].shape == inputs.shape("episode/pred")
    with pytest.raises(AnyviewError, match=r"'psnr' of metrics\.npz is a reference") as e:
        inputs["psnr"]
    assert e.value.code == "reference_refused"


def test_other_sizes_than_those_of_this_checkout(golden):
    """A file of our own making: other width, heads, batch, clip lengths and shapes."""
    (golden / "dit_tiny_b.npz").unlink()
    np.savez(golden / "dit_tiny_b.npz", **own_transformer_file())
    assert faults(golden, "dit_tiny_b.npz") == ""
    change(golden / "dit_tiny_b.npz", case0__out_v1_parity=np.zeros((2, 52, 3, 2, 6), np.float32))
    assert "case0/out_v1_parity: rel" in faults(golden, "dit_tiny_b.npz")


def own_transformer_file() -> dict[str, np.ndarray]:
    sizes = {"D": 72, "blocks": 3, "heads": 3, "lora": 5, "ctx": 7, "tokens": 4, "head_dim": 24}
    network = JointTransformer(JointConfig(72, 3, 3, 5, 7, 4))
    random_weights(network)
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    call = Call(
        (normal(2, 52, 3, 4, 4).numpy(), normal(2, 52, 3, 2, 6).numpy()),
        (np.array([[0.1], [0.9]], np.float32), np.array([[0.1, 0.2, 0.3]] * 2, np.float32)),
        normal(2, 4, 7).numpy(),
    )
    arrays = {f"case0/x_v{view}": stream for view, stream in enumerate(call.streams)}
    arrays |= {f"case0/t_v{v}": t[:, None, :, None, None] for v, t in enumerate(call.times)}
    for mode in MODES:
        ours = open_networks("torch").transformer(Weights(sizes, state), mode)
        for view, output in enumerate(ours.outputs(call)):
            arrays[f"case0/out_v{view}_{mode}"] = output
        if mode == "f32":
            seen = ours.activations(call).items()
            arrays |= {f"case0/mid/{name}": value for name, value in seen}
    arrays |= {f"sd/{name}": value for name, value in state.items()}
    config = np.array(json.dumps({**sizes, "num_cases": 1}))
    return {**arrays, "case0/ctx": call.text, "config": config}


TRAJECTORY = "sampler_trajectory.npz"
ONE_FOR_ALL = ("seed", "num_steps", "sigmas_f32")


@pytest.mark.parametrize("masks", ["once", "each"])
def test_a_batch_of_two_is_taken(golden, masks, monkeypatch):
    """The golden run twice over; masks and times once for the batch, or for each sample."""
    with np.load(golden / TRAJECTORY) as arrays:
        one = {name: arrays[name] for name in arrays.files}

    def twice(name, array):
        once = masks == "once" and ("mask" in name or "net_t" in name)
        axis = 1 if "samples" in name or "x0_preds" in name else 0
        return array if once or name in ONE_FOR_ALL else np.concatenate([array] * 2, axis)

    change(golden / TRAJECTORY, **{name: twice(name, array) for name, array in one.items()})
    noise = sampler.unit_noise
    both = lambda seed, shape: np.concatenate([noise(seed, (1, *shape[1:]))] * 2)  # noqa: E731
    monkeypatch.setattr(sampler, "unit_noise", both)
    found = lines(TRAJECTORY, path=golden)
    assert [line.faults + line.found.faults for line in found] == [()] * 3


def test_a_scene_may_hold_the_inverse_of_its_poses(golden, tmp_path):
    """Inverting twice rounds; poses that are apart are still seen."""
    (golden / "scene_tiny").unlink()
    scene = Path(shutil.copytree(GOLDEN / "scene_tiny", golden / "scene_tiny"))
    metadata = json.loads((scene / "metadata.json").read_text())
    metadata["extrinsics"] = {**metadata.get("extrinsics", {}), "transform": "world2cam"}
    (scene / "metadata.json").write_text(json.dumps(metadata))
    for k, off in enumerate((0.0, 1e-3)):
        for file in scene.rglob("lowdim/*/*.npz"):
            source = GOLDEN / "scene_tiny" / file.relative_to(scene)
            with np.load(source) as arrays:
                values = dict(arrays)
            values["extrinsics"] = np.linalg.inv(values["extrinsics"].astype(np.float64))
            values["extrinsics"][..., 0, 3] += off
            np.savez(file, **values)
        (line,) = lines("scene_tiny", path=golden)
        assert bool(line.faults + line.found.faults) == bool(k)


def test_tolerances_never_pass_a_nan():
    ours, reference = np.array([1.0, np.nan]), np.array([1.0, 2.0])
    for tolerance in (Relative(1e9, 1e9), Exact(), Elementwise(1e9), Score(1e9)):
        assert not all(measure.good for measure in tolerance.measure(ours, reference))


def test_bf16_steps_are_counted_across_zero():
    smallest = np.float32(2.0**-133)  # the smallest bfloat16
    ours = np.array([1.0, 1.0078125, -smallest, 0.0], np.float32)
    reference = np.array([1.0, 1.0, smallest, -0.0], np.float32)
    differing, steps = Bf16Steps(0.5).measure(ours, reference)
    assert differing.value == 0.5
    assert steps.value == 2


def test_values_that_are_no_bfloat16_are_no_match():
    with pytest.raises(ValueError, match="not bfloat16"):
        Bf16Steps(1.0).measure(np.array([1.001], np.float32), np.array([1.0], np.float32))


@pytest.mark.parametrize(
    ("measure", "text"),
    [
        (Measure("rel", 1.2345e-6, 2e-5), "rel 1.23e-06 <= 2e-05"),
        (Measure("differing", 0.0, 0.0), "differing 0 <= 0"),
        (Measure("bf16 steps", 1.0, 1.0), "bf16 steps 1 <= 1"),
        (Measure("max", np.nan, 1.0), "max nan <= 1"),
    ],
)
def test_figures_can_be_read(measure, text):
    assert str(measure) == text


def test_decibels_are_no_powers_of_ten():
    frames = np.full((2, 4, 4, 3), 100, np.uint8)
    (measure,) = PeakRatio(45.0).measure(frames + 1, frames)
    assert str(measure) == "psnr 48.1 >= 45 dB"
