"""The ROS types are what was agreed: once a bag is recorded, no field may change any more."""

from __future__ import annotations

import json
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tf2_msgs.msg import TFMessage

ROOT = Path(__file__).resolve().parents[2]

REPLY = ("bool success", "string code", "string message")
RESULT = ("ClipResult result",)
# Every field in order; "---" between the parts of a service or action.
AGREED = {
    "msg/VirtualCamera": (
        "string name",
        "string parent_frame",
        "geometry_msgs/Pose pose",
        "geometry_msgs/PoseStamped[] trajectory",
        "sensor_msgs/CameraInfo camera_info",
        "float64 horizontal_fov",
        "float32 rate",
        "uint8 LIVE=0",
        "uint8 LOSSLESS=1",
        "uint8 mode",
        "string[] sources",
        "uint8 priority",
        "uint8 uncertainty_samples",
    ),
    "msg/SynthesisInfo": (
        "std_msgs/Header header",
        "string camera",
        "string model",
        "string model_sha256",
        "string provider",
        "string speed",
        "uint32 steps",
        "uint32 seed",
        "string[] sources",
        "builtin_interfaces/Time[] source_stamps",
        "float32 scene_scale",
        "float32 clamped_moments",
        "uint32 generated_width",
        "uint32 generated_height",
        "float32 queue_s",
        "float32 condition_s",
        "float32 denoise_s",
        "float32 decode_s",
        "float32 latency_s",
    ),
    "msg/ClipRequest": (
        "VirtualCamera camera",
        "builtin_interfaces/Time start_time",
        "builtin_interfaces/Time end_time",
        "uint32 num_frames",
        "float32 frame_period",
        "string speed",
        "uint32 steps",
        "uint32 seed",
        "bool return_frames",
    ),
    "msg/ClipResult": (
        *REPLY,
        "builtin_interfaces/Time[] stamps",
        "SynthesisInfo[] infos",
        "sensor_msgs/Image[] frames",
    ),
    "srv/AddVirtualCamera": ("VirtualCamera camera", "---", *REPLY),
    "srv/UpdateVirtualCamera": ("VirtualCamera camera", "---", *REPLY),
    "srv/RemoveVirtualCamera": ("string name", "---", *REPLY),
    "srv/ListVirtualCameras": ("---", "VirtualCamera[] cameras", "string[] states"),
    "srv/Synthesize": ("ClipRequest request", "---", *RESULT),
    "action/SynthesizeClip": (
        "ClipRequest request",
        "---",
        *RESULT,
        "---",
        "string stage",
        "uint32 step",
        "uint32 steps",
        "uint32 clip",
        "uint32 clips",
        "float32 seconds_left",
    ),
}


def definition(name: str) -> list[str]:
    """The lines of an interface file, comments kept."""
    return (ROOT / name).with_suffix(f".{name.partition('/')[0]}").read_text("utf-8").splitlines()


def without_comment(line: str) -> str:
    return " ".join(line.partition("#")[0].split())


def parts(name: str) -> list[Any]:
    """The generated classes of an interface: itself, or request and response, and so on."""
    kind, _, short = name.partition("/")
    cls = getattr(import_module(f"anyview_ros.{kind}"), short)
    names = {"msg": (), "srv": ("Request", "Response"), "action": ("Goal", "Result", "Feedback")}
    return [getattr(cls, part) for part in names[kind]] or [cls]


def test_there_are_no_other_interfaces() -> None:
    found = {
        f"{kind}/{file.stem}"
        for kind in ("msg", "srv", "action")
        for file in (ROOT / kind).iterdir()
    }
    assert found == set(AGREED)


@pytest.mark.parametrize("name", AGREED)
def test_file_has_the_agreed_fields(name: str) -> None:
    fields = tuple(filter(None, map(without_comment, definition(name))))
    assert fields == AGREED[name]


@pytest.mark.parametrize("name", AGREED)
def test_every_field_is_explained(name: str) -> None:
    """Each paragraph of fields has a comment before or beside it, as in sensor_msgs/CameraInfo."""
    paragraphs = re.split(r"\n\s*\n|\n?---\n", "\n".join(definition(name)))
    for paragraph in paragraphs:
        fields = [
            line for line in paragraph.splitlines() if without_comment(line) not in ("", "---")
        ]
        assert not fields or "# " in paragraph, f"{name}: {fields} without a word"


@pytest.mark.parametrize("name", AGREED)
def test_generated_types_are_those_of_the_file(name: str) -> None:
    """A build of an older definition would still import; its fields would differ."""
    wanted = [
        [field.split() for field in part.split(",") if field and "=" not in field]
        for part in ",".join(AGREED[name]).split("---")
    ]
    for cls, fields in zip(parts(name), wanted, strict=True):
        generated = cls.get_fields_and_field_types()
        assert list(generated) == [field for _, field in fields]
        for type_name, field in fields:
            assert generated[field] == idl(type_name), field


def idl(type_name: str) -> str:
    """How rclpy spells a type of a .msg file."""
    if type_name.endswith("[]"):
        return f"sequence<{idl(type_name[:-2])}>"
    if type_name[0].isupper():
        return f"anyview_ros/{type_name}"
    return {"bool": "boolean", "float32": "float", "float64": "double"}.get(type_name, type_name)


def test_modes_start_at_the_default() -> None:
    from anyview_ros.msg import VirtualCamera

    assert VirtualCamera().mode == VirtualCamera.LIVE == 0
    assert VirtualCamera.LOSSLESS == 1


def test_tf_message_is_the_one_of_every_other_node() -> None:
    """The hash is part of discovery: with another one, /tf of other nodes would stay unseen."""
    share = next(
        folder
        for prefix in os.environ.get("AMENT_PREFIX_PATH", sys.prefix).split(os.pathsep)
        if (folder := Path(prefix) / "share" / "tf2_msgs").is_dir()
    )
    hashes = json.loads((share / "msg" / "TFMessage.json").read_text())["type_hashes"]
    own = {entry["type_name"]: entry["hash_string"] for entry in hashes}["tf2_msgs/msg/TFMessage"]
    # as `ros2 topic info --verbose /tf` prints it on ROS 2 Jazzy and Kilted
    assert own == "RIHS01_e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087"
    fields = TFMessage.get_fields_and_field_types()
    assert fields == {"transforms": "sequence<geometry_msgs/TransformStamped>"}
