"""Remedies of the values, the model packages and the engine, done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyview_ros.cli.export import OF_PACKAGE, refuse
from anyview_ros.contract import FusedAttention
from anyview_ros.engine.onnx.fused_attention import check_fused
from anyview_ros.engine.onnx.providers import PROVIDERS, Assigned, check_assigned, chosen
from anyview_ros.engine.request import SynthesisOptions, check_request, check_sampling
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera, Clip, Frame, View
from anyview_ros.geometry import transform_from_pose
from anyview_ros.media.video import open_footage
from anyview_ros.model.atomic_directory import new_model_directory
from anyview_ros.model.joint.export import require_clip
from anyview_ros.model.joint.release import require_acceptance
from anyview_ros.packages import find_package
from anyview_ros.release import SCENE_SCALES, scene_scale
from tests.packages import make_package
from tests.remedies.listed import (
    code_of,
    does,
    is_done_by,
    is_outside,
    parsed,
    shipped,
    takes,
    tiny,
)


@does("packages", "give a package folder")
def folder_of_a_package(folder: Path) -> None:
    package = make_package(folder / "tiny")
    assert code_of(find_package, str(folder)) == "unknown_model"
    assert find_package(str(package)) == package


@does("engine.request", "leave depth out", "take a package that has it")
def depth_of_a_model_that_knows_it(folder: Path) -> None:
    blind = tiny(folder)
    knowing = replace(blind, plane_sweep=(0.0, 1.0), sweep_weights=True)
    camera = Camera.from_fov(32, 24, 1.0)
    frames = [Frame(1 + k, np.zeros((24, 32, 3), np.uint8), camera, np.eye(4)) for k in range(5)]
    target = View(camera, np.stack([np.eye(4)] * 5))
    given = [Clip(tuple(frames))], target
    depth, none = SynthesisOptions(depth=True), SynthesisOptions()
    assert code_of(check_request, blind, *given, depth) == "no_depth"
    check_request(blind, *given, none)
    check_request(knowing, *given, depth)


@does("engine.onnx.bound_denoiser", "leave steps at 0")
def steps_of_the_speed(folder: Path) -> None:
    assert check_sampling(shipped(), SynthesisOptions(steps=0))


@does("engine.onnx.fused_attention", "take fp16 or bf16", "ask for 'cpu'")
def attention_on_the_cpu(folder: Path) -> None:
    takes("provider", "cpu")
    large = replace(tiny(folder), attention=FusedAttention(nodes=2, width=64, tokens=9000))
    assert code_of(check_fused, [], large, "cuda") == "attention_not_fused"
    check_fused([], large, "cpu")
    for precision in ("fp16", "bf16"):
        exported("--precision", precision)


@does("engine.onnx.memory", "Export it in fp16, for shorter clips or smaller images")
@does("model.atomic_directory", "ask for fp16, a shorter clip or smaller images")
def smaller_export(folder: Path) -> None:
    exported("--precision", "fp16", "--frames", "13", "--size", "4:3", "--exact-size", "128", "160")
    require_clip((13, 128, 160))


def exported(*options: str) -> None:
    """Imported weights may be exported so: nothing that the command refuses for them."""
    args = parsed("export", "anyview-2b", *options)
    refuse(args, args.weights, {"config": None, "into": None}, "a training run")
    assert OF_PACKAGE.keys() <= vars(args).keys()


@does("release", "use one of {}")
def known_scene_scale(folder: Path) -> None:
    assert all(scene_scale(source) == scale for source, scale in SCENE_SCALES.items())


@does("release", "give one")
def given_scene_scale(folder: Path) -> None:
    args = parsed("convert", "bag", "b", "--out", "o", "--scene-scale", "0.125")
    assert args.scene_scale == 1 / 8


@does("engine.onnx.providers", "ask for 'cpu'", "export the package in another precision")
@does("engine.onnx.self_test", "ask for 'cpu'")
def provider_that_is_always_there(folder: Path) -> None:
    takes("provider", "cpu")
    assert code_of(chosen, "cuda", [PROVIDERS["cpu"]]) == "provider_unavailable"
    assert chosen("cpu", [PROVIDERS["cpu"]]) == "cpu"
    left = [Assigned(PROVIDERS["cpu"], "MatMul", "a")]
    assert code_of(check_assigned, left, "cuda", True, "denoise") == "left_on_cpu"
    check_assigned(left, "cpu", True, "denoise")
    check_assigned([Assigned(PROVIDERS["cuda"], "MatMul", "a")], "cuda", True, "denoise")
    exported("--precision", "fp16")


@does("media.video", "give a video file that FFmpeg plays, or a folder of images")
def folder_of_images(folder: Path) -> None:
    from PIL import Image

    (folder / "no.mp4").write_bytes(b"text")
    assert code_of(open_footage, folder / "no.mp4", 10**8) == "unreadable_video"
    (folder / "images").mkdir()
    Image.new("RGB", (64, 48)).save(folder / "images" / "0.png")
    assert open_footage(folder / "images", 10**8).size == (64, 48)


@does("geometry", "set w = 1 for no rotation")
def no_rotation(folder: Path) -> None:
    with pytest.raises(AnyviewError, match="unit quaternion"):
        transform_from_pose((0, 0, 0), (0, 0, 0, 0))
    np.testing.assert_array_equal(transform_from_pose((0, 0, 0), (0, 0, 0, 1)), np.eye(4))


@does("model.joint.export", "ask for {}, 29 or 13")
def clip_of_the_network(folder: Path) -> None:
    assert code_of(require_clip, (45, 128, 160)) == "too_many_frames"
    for frames in (41, 29, 13):
        require_clip((frames, 128, 160))
        exported("--frames", str(frames))


@does("model.joint.release", "call again with --accept-license if you accept them")
def accepted_licence(folder: Path) -> None:
    files = ("--dit", "a", "--tokenizer", "b", "--text", "c")
    require_acceptance(parsed("import", *files, "--accept-license").accept_license)


@does("model.atomic_directory", "choose another --name")
def another_model_name(folder: Path) -> None:
    (folder / "there").mkdir()
    assert code_of(new_model_directory, folder, "there") == "model_exists"
    for command in (("export", "w"), ("import", "--dit", "a", "--tokenizer", "b", "--text", "c")):
        assert new_model_directory(folder, parsed(*command, "--name", "other").name)


is_done_by(
    "tests/model/test_export.py::test_an_exported_package_loads_and_synthesizes",
    "engine.graph_check",
    "export the package again",
)
is_outside("the manifest's", "contract", "version | name | frames")  # a field called name
is_outside("the machine's", "engine.onnx.self_test", "update the driver and ONNX Runtime")
is_outside(
    "the shell's", "model.atomic_directory", "let XDG_DATA_HOME name a folder on another disk"
)
