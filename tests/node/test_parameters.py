"""One declaration of every parameter: descriptors, config/synth.yaml and the page agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import rclpy
import yaml
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from anyview_ros.clips.intake.intake_config import memory_limits
from anyview_ros.clips.keyframe_store import NO_MEMORY
from anyview_ros.errors import AnyviewError
from anyview_ros.node import parameters
from anyview_ros.node.parameters import CAMERA_PARAMETERS, NODE_PARAMETERS
from anyview_ros.node.sources.intake_settings import without_effect
from anyview_ros.packages import load_package
from tests.node import parameter_texts
from tests.packages import make_package

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DOMAIN = 43


@contextmanager
def node(*arguments: str) -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    flags = ["--ros-args", *arguments] if arguments else []
    opened = Node("anyview", context=context, cli_args=flags, use_global_arguments=False)
    try:
        yield opened
    finally:
        opened.destroy_node()
        rclpy.shutdown(context=context)


def declared(*arguments: str) -> parameters.Settings:
    with node(*arguments) as opened:
        return parameters.declare(opened)


def defaults(declarations: Sequence[parameters.Parameter]) -> dict[str, parameters.Value]:
    return {p.name: p.default for p in declarations}


def test_the_yaml_is_what_the_declarations_say() -> None:
    text = (CHECKOUT / "config" / "synth.yaml").read_text()
    assert text == parameter_texts.yaml_file(), "run python -m tests.node.parameter_texts"
    values = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert values == {**defaults(NODE_PARAMETERS), "cameras": []}


def test_the_yaml_of_a_camera_is_right_once_its_comments_are_taken_off() -> None:
    _, _, camera = parameter_texts.yaml_file().partition(
        "    # For each camera, here one named front:\n"
    )
    bare = "\n".join(line.replace("    # ", "    ", 1) for line in camera.splitlines())
    assert yaml.safe_load(bare) == {"front": defaults(CAMERA_PARAMETERS)}


def test_the_page_has_the_table() -> None:
    page = (CHECKOUT / "docs" / "parameters.md").read_text()
    table = page.partition("<!-- parameters -->")[2].partition("<!-- /parameters -->")[0]
    assert table.strip() == parameter_texts.markdown_table(), (
        "run python -m tests.node.parameter_texts"
    )


def test_the_default_model_ships() -> None:
    model = str(defaults(NODE_PARAMETERS)["model"])
    assert load_package(CHECKOUT / "models" / model).contract.name == model


def test_settings_have_a_field_for_each_parameter() -> None:
    for settings, declarations in (
        (parameters.Settings, NODE_PARAMETERS),
        (parameters.CameraSettings, CAMERA_PARAMETERS),
    ):
        assert {f.name for f in fields(settings)} == set(defaults(declarations))


def test_defaults_and_the_shipped_yaml_are_read() -> None:
    bare = declared()
    assert asdict(bare) == defaults(NODE_PARAMETERS)
    assert declared("--params-file", str(CHECKOUT / "config" / "synth.yaml")) == bare


def test_overrides_are_read() -> None:
    settings = declared("-p", "cameras:=[front, left]", "-p", "buffer_s:=4.5")
    assert (settings.cameras, settings.buffer_s) == (("front", "left"), 4.5)
    with node("-p", "front.image_topic:=/rig/front/rgb") as opened:
        camera = parameters.declare_camera(opened, "front")
        assert camera.image_topic == "/rig/front/rgb"
        assert parameters.declare_camera(opened, "front") == camera, "twice is once"


@pytest.mark.parametrize(
    ("override", "code", "text"),
    [
        (
            "provider:=tpu",
            "invalid_parameter",
            "'provider' must be one of auto, cpu, cuda, tensorrt, got 'tpu'",
        ),
        ("buffer_s:=0.1", "invalid_parameter", "needed for 'buffer_s': double 0.5 to 120"),
        ("buffer_s:=5", "invalid_parameter", "needed for 'buffer_s': double 0.5 to 120"),
        ("cameras:=front", "invalid_parameter", "needed for 'cameras': string_array"),
    ],
)
def test_bad_values_are_refused_by_name(override: str, code: str, text: str) -> None:
    with pytest.raises(AnyviewError) as refused:
        declared("-p", override)
    assert refused.value.code == code
    assert text in refused.value.message


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("transport:=theora", "'front.transport' must be one of raw, compressed, got 'theora'"),
        ("rectify:=maybe", "'front.rectify' must be one of auto, on, off, got 'maybe'"),
        ("reliability:=maybe", "must be one of best_effort, reliable"),
    ],
)
def test_bad_values_of_a_camera_are_refused_by_name(override: str, text: str) -> None:
    with node("-p", f"front.{override}") as opened, pytest.raises(AnyviewError) as refused:
        parameters.declare_camera(opened, "front")
    assert refused.value.code == "invalid_parameter"
    assert text in refused.value.message


@pytest.mark.parametrize(("word", "meaning"), [("off", "off"), ("on", "on"), ("auto", "auto")])
def test_rectify_is_read_as_the_page_writes_it(tmp_path: Path, word: str, meaning: str) -> None:
    """YAML makes booleans of on and off: in a file, on the command line and when it is set."""
    file = tmp_path / "robot.yaml"
    file.write_text(f"/**:\n  ros__parameters:\n    front:\n      rectify: {word}\n")
    for arguments in (("--params-file", str(file)), ("-p", f"front.rectify:={word}")):
        with node(*arguments) as opened:
            assert parameters.declare_camera(opened, "front").rectify == meaning
    with node() as opened:
        parameters.declare_camera(opened, "front")
        changed = RosParameter("front.rectify", value=yaml.safe_load(word))
        assert parameters.refusal(changed) == ""
        (answer,) = opened.set_parameters([changed])
        assert answer.successful
        assert parameters.declare_camera(opened, "front").rectify == meaning


@pytest.mark.parametrize("chosen", ["raw", "compressed"])
def test_the_default_of_one_camera_is_not_what_the_user_says(chosen: str) -> None:
    with node("-p", f"front.transport:={chosen}") as opened:
        assert (
            parameters.declare_camera(opened, "front", transport="compressed").transport == chosen
        )
        assert parameters.declare_camera(opened, "rear", transport="compressed").transport == (
            "compressed"
        )


def test_descriptors_carry_unit_range_and_what_may_change() -> None:
    with node() as opened:
        parameters.declare(opened)
        buffer = opened.describe_parameter("buffer_s")
        assert buffer.description.endswith("[s]")
        span = buffer.floating_point_range[0]
        assert (span.from_value, span.to_value, buffer.read_only) == (0.5, 120.0, False)
        assert buffer.additional_constraints == (
            "0.5 to 120; a change applies when the node is next activated"
        )
        assert opened.describe_parameter("autostart").read_only
        change = RosParameter("fixed_frame", value="map")
        assert not opened.set_parameters([change])[0].successful


def test_what_a_model_has_no_use_for_is_named_where_it_was_set(tmp_path: Path) -> None:
    bare = load_package(make_package(tmp_path / "bare")).contract
    swept = replace(bare, plane_sweep=(0.5, 1.0), sweep_weights=True, max_sources=3)
    settings = declared()
    chosen = replace(settings, source_size=320, memory_s=30.0)
    assert set(without_effect(chosen, bare)) == {"source_size", "memory_s"}
    assert without_effect(chosen, swept) == {}
    assert without_effect(settings, bare) == {}, "nobody asked"
    assert without_effect(replace(settings, source_size=0, memory_s=0.0), bare) == {}
    text = without_effect(chosen, bare)["source_size"]
    assert text.startswith("has no effect: model 'bare' does not tell which source a pixel is from")


def test_memory_is_for_models_of_several_sources_and_knows_how_far_a_jump_is(
    tmp_path: Path,
) -> None:
    one = load_package(make_package(tmp_path / "one")).contract
    three, settings = replace(one, max_sources=3), declared()
    assert memory_limits(settings, one) == NO_MEMORY
    driving = memory_limits(settings, three)
    assert (driving.max_age_ns, driving.jump_m) == (20 * 10**9, 2.0)
    assert memory_limits(replace(settings, scene_scale=0.5), three).jump_m == 0.25
    assert memory_limits(replace(settings, memory_s=0.0), three).max_age_ns == 0
