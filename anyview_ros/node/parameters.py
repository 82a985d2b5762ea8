"""Every parameter of the node, declared once; descriptors, YAML and the documents' table follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from anyview_ros.clips.intake.intake_config import BUFFER_S, MEMORY_S, SOURCE_SIZE
from anyview_ros.contract import MAX_FRAMES
from anyview_ros.engine.onnx.providers import AUTO, ProviderChoice
from anyview_ros.errors import AnyviewError
from anyview_ros.imaging.camera_info import Rectify
from anyview_ros.node.parameter import APPLIES, Parameter
from anyview_ros.packages import DEFAULT_MODEL
from anyview_ros.signatures import SignaturePolicy
from anyview_ros.topics import Transport

Reliability = Literal["best_effort", "reliable"]
BackPressureMode = Literal["none", "player", "step"]

MAX_WAITING = 4
MAX_CLIP_PIXELS = (1 << 30) // 3  # 1 GiB of frames
MAX_SAMPLES = 255  # what the field of the message holds

NODE_PARAMETERS = (
    Parameter(
        "cameras",
        (),
        "Names of the source cameras; empty: every Image topic with a sibling camera_info that is "
        "not below virtual/, named by its namespace (`/front/image_raw`: front)",
        applies="activate",
    ),
    Parameter(
        "model",
        DEFAULT_MODEL,
        "Model package: a name on the search path, or a path; one that cannot run does not take "
        "the place of one that does",
        applies="now",
    ),
    Parameter(
        "model_signature",
        "off",
        "Whether a model package must be signed by the owner of model_key; warn: what is wrong is "
        "told in diagnostics; require: such a package is not loaded",
        choices=get_args(SignaturePolicy),
    ),
    Parameter(
        "model_key",
        "",
        "File of the public key that is trusted to sign model packages: P-256, PEM, outside of the "
        "package",
    ),
    Parameter(
        "provider",
        AUTO,
        "What runs the model; auto: the fastest",
        choices=get_args(ProviderChoice),
        applies="now",
    ),
    Parameter(
        "step_timeout_s",
        3600.0,  # a call of the released network is 103 TFLOP, half an hour of two cores
        "How long the model may load, and how long a step may take that no clip of that shape has "
        "done before; after that its process hangs, and is replaced. Of known steps 20 times the "
        "longest is allowed, 10 s at least, this at most",
        unit="s",
        limits=(1.0, 86400.0),
        applies="now",
    ),
    Parameter(
        "fixed_frame", "odom", "Frame that does not move; sources and targets are resolved in it"
    ),
    Parameter(
        "scene_scale",
        0.0,
        "Factor on Plücker moments, about one over the distance in metres that matters: 1/16 "
        "driving, 1/8 in a room, 1/2 on a table; 0: the model's",
        limits=(0.0, 10.0),
        applies="now",
    ),
    Parameter(
        "buffer_s",
        BUFFER_S,
        "Age of the oldest frame kept",
        unit="s",
        limits=(0.5, 120.0),
        applies="activate",
    ),
    Parameter(
        "memory_s",
        MEMORY_S,
        "How far back of a clip single frames are remembered, as further sources of what no camera "
        "sees now; 0: none; a model of one source has no use for them",
        unit="s",
        limits=(0.0, 120.0),
        applies="activate",
    ),
    Parameter(
        "source_size",
        SOURCE_SIZE,
        "Longer side at which frames are kept, for models that copy detail from them; a camera's "
        "own size where it has less; 0, and for other models: the model's size",
        unit="pixels",
        limits=(0, 4096),
        applies="activate",
    ),
    Parameter(
        "tf_timeout_s",
        1.0,
        "How long a frame or a request waits for its TF, on a steady clock",
        unit="s",
        limits=(0.0, 30.0),
        applies="activate",
    ),
    Parameter(
        "max_virtual_cameras",
        16,
        "How many virtual cameras may be added; they share one model, and each keeps two clips in "
        "its publishers' queues",
        limits=(1, 256),
        applies="now",
    ),
    Parameter(
        "max_waiting_requests",
        MAX_WAITING,
        "How many requests for clips may wait while one runs; further ones are answered with "
        "`busy`, or take the last place of the virtual camera that has most",
        limits=(0, 64),
    ),
    Parameter(
        "max_clip_frames",
        MAX_FRAMES,
        "How many frames a clip may have; longer ones are refused as `too_large`",
        limits=(1, MAX_FRAMES),
        applies="now",
    ),
    Parameter(
        "max_clip_pixels",
        MAX_CLIP_PIXELS,
        "How many pixels a clip may have: frames times width times height; larger ones are refused "
        "as `too_large`",
        unit="pixels",
        limits=(1, MAX_CLIP_PIXELS),
        applies="now",
    ),
    Parameter(
        "max_uncertainty_samples",
        MAX_SAMPLES,
        "How many seeds a clip may be made with, each of which takes as long as a clip; 0: no "
        "camera may ask for the image `uncertainty`",
        limits=(0, MAX_SAMPLES),
        applies="now",
    ),
    Parameter(
        "back_pressure",
        "none",
        "What holds back the source while cameras of mode LOSSLESS catch up; player: it is paused "
        "and resumed, as ros2 bag play can be; step: it is stepped, as a simulator can be",
        choices=get_args(BackPressureMode),
        applies="now",
    ),
    Parameter(
        "back_pressure_node",
        "/rosbag2_player",
        "Whose services pause and resume, or step, are called",
        applies="start",
    ),
    Parameter(
        "flush_s",
        2.0,
        "After so long without a frame, on a steady clock, a LOSSLESS camera answers those that "
        "are left, which are less than a clip",
        unit="s",
        limits=(0.1, 3600.0),
        applies="now",
    ),
    Parameter(
        "watermark",
        False,
        "Whether frames say SYNTHETIC in their lower left corner, for people who see them without "
        "their SynthesisInfo",
        applies="now",
    ),
    Parameter(
        "diagnostics_period_s",
        1.0,
        "How often /diagnostics says what the node does, on a steady clock",
        unit="s",
        limits=(0.1, 2.0),
    ),
    Parameter(
        "autostart",
        True,
        "Configure and activate at start: load the model and subscribe; false: wait for "
        "`ros2 lifecycle set`, or a lifecycle manager",
    ),
)

CAMERA_PARAMETERS = (
    Parameter(
        "image_topic", "", "Images of this camera; empty: `<camera>/image_raw`", applies="activate"
    ),
    Parameter(
        "camera_info_topic",
        "",
        "Camera info; empty: camera_info beside the image topic",
        applies="activate",
    ),
    Parameter(
        "transport",
        "raw",
        "How images travel; compressed: jpeg or png on `<image topic>/compressed`, the default of "
        "a camera found in the graph without raw images",
        choices=get_args(Transport),
        applies="activate",
    ),
    Parameter(
        "reliability",
        "best_effort",
        "Of the image subscription; best_effort matches every publisher",
        choices=get_args(Reliability),
        applies="activate",
    ),
    Parameter(
        "rectify",
        "auto",
        "auto: rectify the images by their camera info, unless the topic's name says rect; off: "
        "they are rectified already; on: they are not, whatever the topic is called",
        choices=get_args(Rectify),
        applies="activate",
    ),
    Parameter(
        "clock_offset_s",
        0.0,
        "Added to the stamps of this camera's images and camera infos, where its clock is not the "
        "robot's; TF is asked, and results are stamped, on the robot's clock",
        unit="s",
        limits=(-1e10, 1e10),
        applies="activate",
    ),
)


@dataclass(frozen=True)
class Settings:
    """The node's parameters, as declared in `NODE_PARAMETERS`."""

    cameras: tuple[str, ...]
    model: str
    model_signature: SignaturePolicy
    model_key: str
    provider: ProviderChoice
    step_timeout_s: float
    fixed_frame: str
    scene_scale: float
    buffer_s: float
    memory_s: float
    source_size: int
    tf_timeout_s: float
    max_virtual_cameras: int
    max_waiting_requests: int
    max_clip_frames: int
    max_clip_pixels: int
    max_uncertainty_samples: int
    back_pressure: BackPressureMode
    back_pressure_node: str
    flush_s: float
    watermark: bool
    diagnostics_period_s: float
    autostart: bool


@dataclass(frozen=True)
class CameraSettings:
    """The parameters of one source camera, as declared in `CAMERA_PARAMETERS`."""

    image_topic: str
    camera_info_topic: str
    transport: Transport
    reliability: Reliability
    rectify: Rectify
    clock_offset_s: float


def declare(node: Node) -> Settings:
    """Declare the node's parameters, once, and read them as they are now.

    Raises:
        AnyviewError: `invalid_parameter`.
    """
    return Settings(**{p.name: p.declared(node, p.name) for p in NODE_PARAMETERS})


def declare_camera(node: Node, camera: str, **defaults: str) -> CameraSettings:
    """Declare the parameters `<camera>.*` once and read them; errors as `declare`.

    Args:
        defaults: of parameters whose default is another one for this camera.
    """
    parameters = [replace(p, default=defaults.get(p.name, p.default)) for p in CAMERA_PARAMETERS]
    return CameraSettings(**{p.name: p.declared(node, f"{camera}.{p.name}") for p in parameters})


def refusal(changed: RosParameter) -> str:
    """Return why a value is not allowed, beyond what ROS checks; empty if it is."""
    camera, _, name = changed.name.rpartition(".")
    declared = CAMERA_PARAMETERS if camera else NODE_PARAMETERS
    for parameter in declared:
        if parameter.name == name and not changed.name.startswith("qos_overrides"):
            try:
                parameter.allowed(changed.name, changed.value)
            except AnyviewError as error:
                return error.message
    return ""


def postponed(changed: str) -> str:
    """Return when a change of a parameter of the node applies, if not at once; in words."""
    for parameter in NODE_PARAMETERS:
        if parameter.name == changed and parameter.applies != "now":
            return APPLIES[parameter.applies]
    return ""


def is_default(settings: Settings, name: str) -> bool:
    """Return whether a parameter of the node has the value that it has where nobody sets it."""
    return any(p.name == name and p.default == getattr(settings, name) for p in NODE_PARAMETERS)
