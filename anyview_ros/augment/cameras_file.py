"""The virtual cameras of a recording, in YAML: the fields of `add_virtual_camera`, and samplers."""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from anyview_ros.augment.sampler_entry import SamplerEntry, mistakes
from anyview_ros.clips.virtual.camera_request import LOSSLESS, CameraRequest, camera_request
from anyview_ros.contract import Contract
from anyview_ros.datasets.safe_yaml import load_yaml
from anyview_ros.errors import AnyviewError, cause
from anyview_ros.typed_json import WrongKindError, read_typed

CAMERAS, SAMPLERS = "cameras", "samplers"
MAX_BYTES = 64 << 20  # trajectories of 10,000 poses


@dataclass(frozen=True)
class Vector:
    """geometry_msgs/Point, in metres."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0


@dataclass(frozen=True)
class Quaternion:
    """geometry_msgs/Quaternion."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    w: float = 1.0


@dataclass(frozen=True)
class Pose:
    """geometry_msgs/Pose of the optical frame."""

    position: Vector = Vector()
    orientation: Quaternion = Quaternion()


@dataclass(frozen=True)
class Time:
    """builtin_interfaces/Time."""

    sec: int = 0
    nanosec: int = 0


@dataclass(frozen=True)
class Header:
    """std_msgs/Header."""

    stamp: Time = Time()
    frame_id: str = ""


@dataclass(frozen=True)
class PoseStamped:
    """geometry_msgs/PoseStamped."""

    header: Header = Header()
    pose: Pose = Pose()


@dataclass(frozen=True)
class RegionOfInterest:
    """sensor_msgs/RegionOfInterest, which a virtual camera has not."""

    x_offset: int = 0
    y_offset: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class CameraInfo:
    """Hold what of a sensor_msgs/CameraInfo a virtual camera may have."""

    width: int = 0
    height: int = 0
    k: tuple[float, float, float, float, float, float, float, float, float] = (0.0,) * 9
    d: tuple[float, ...] = ()
    r: tuple[float, ...] = (0.0,) * 9
    p: tuple[float, ...] = (0.0,) * 12
    binning_x: int = 0
    binning_y: int = 0
    roi: RegionOfInterest = RegionOfInterest()


@dataclass(frozen=True)
class CameraEntry:
    """The fields of an anyview_ros/VirtualCamera that mean something for a recording.

    Args:
        rate: Hz of the source's time; 0 = every source frame of the model's grid.
    """

    name: str
    parent_frame: str = ""
    pose: Pose = Pose()
    trajectory: tuple[PoseStamped, ...] = ()
    camera_info: CameraInfo = CameraInfo()
    horizontal_fov: float = 0.0
    rate: float = 0.0
    sources: tuple[str, ...] = ()
    uncertainty_samples: int = 0
    mode: int = field(default=LOSSLESS, init=False)
    priority: int = field(default=0, init=False)


@dataclass(frozen=True)
class CamerasFile:
    """Hold what a file asks for.

    Args:
        named: cameras, in its order.
        samplers: of others; their cameras follow from the recording too.
    """

    named: tuple[CameraRequest, ...]
    samplers: tuple[SamplerEntry, ...] = ()


def read_cameras(path: Path, contract: Contract) -> tuple[CameraRequest, ...]:
    """Return the virtual cameras of a file that has no samplers; see `read_cameras_file`."""
    found = read_cameras_file(path, contract)
    if found.samplers:
        raise _invalid(path, "samplers draw about cameras of a bag, and this is none")
    return found.named


def read_cameras_file(path: Path, contract: Contract) -> CamerasFile:
    """Return the virtual cameras and samplers of a file.

    Args:
        contract: of the model that makes them.

    Raises:
        AnyviewError: `invalid_cameras_file`; `name_taken` for two of one name; those of
            `camera_request`, with the camera's name.
    """
    entries, samplers = _entries(path)
    return CamerasFile(tuple(checked(entry, contract) for entry in entries), samplers)


def checked(entry: CameraEntry, contract: Contract) -> CameraRequest:
    """Return a camera as a request.

    Raises:
        AnyviewError: those of `camera_request`, with the camera's name.
    """
    most_hz = 1 / contract.frame_period
    try:
        return camera_request(replace(entry, rate=entry.rate or most_hz), contract)
    except AnyviewError as error:
        raise AnyviewError(error.code, f"camera '{entry.name}': {error.message}") from None


def _entries(path: Path) -> tuple[list[CameraEntry], tuple[SamplerEntry, ...]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB")
        raw = load_yaml(path.read_text(encoding="utf-8"), pure=True)
    except Exception as error:  # of the disk, and whatever YAML throws at a text that is none
        raise _invalid(path, cause(error)) from None
    lists = raw if isinstance(raw, dict) else {}
    whole = set(lists) <= {CAMERAS, SAMPLERS} and all(isinstance(v, list) for v in lists.values())
    if not whole or not any(lists.values()):
        reason = "it must hold one list, `cameras:`, of one camera or more, or `samplers:`, or both"
        raise _invalid(path, reason)
    found: dict[str, Any] = {CAMERAS: {}, SAMPLERS: {}}
    for key, kind in ((CAMERAS, CameraEntry), (SAMPLERS, SamplerEntry)):
        for k, one in enumerate(lists.get(key, [])):
            entry = _entry(path, kind, one, f"{key}[{k}]")
            if entry.name in found[key]:
                raise AnyviewError(
                    "name_taken",
                    f"'{path}' has two {key} '{entry.name}'; name one of them otherwise",
                )
            found[key][entry.name] = entry
    return list(found[CAMERAS].values()), tuple(found[SAMPLERS].values())


def _entry(path: Path, kind: type, raw: Any, where: str) -> Any:
    given = set(raw) if isinstance(raw, dict) else set()
    if unknown := sorted(map(str, given & {"mode", "priority"})):
        reason = f"{', '.join(unknown)} mean nothing here: every frame is answered"
        raise _invalid(path, f"{where}: {reason}")
    try:
        entry = _typed(kind, raw, where)
    except WrongKindError as error:
        raise _invalid(path, str(error).removesuffix("; a newer version wrote it")) from None
    for mistake in mistakes(entry) if isinstance(entry, SamplerEntry) else ():
        raise _invalid(path, f"{where}.{mistake}")
    return entry


def _typed(kind: type, raw: Any, where: str) -> Any:
    """Return a value as `read_typed` does; the message has the whole path of the key."""
    hints = get_type_hints(kind)
    for name, value in raw.items() if isinstance(raw, dict) else ():
        inner = [k for k in (get_args(hints.get(name)) or (hints.get(name),)) if k is not NoneType]
        if len(inner) == 1 and is_dataclass(inner[0]) and value is not None:
            _typed(inner[0], value, f"{where}.{name}")  # type: ignore[arg-type]
    try:
        return read_typed(kind, raw, where)
    except WrongKindError as error:
        text = str(error)
        raise WrongKindError(text if text.startswith(where) else f"{where}.{text}") from None


def _invalid(path: Path, reason: str) -> AnyviewError:
    return AnyviewError(
        "invalid_cameras_file", f"'{path}' is no file of virtual cameras: {reason}; see augment.md"
    )
