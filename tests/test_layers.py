"""Layers hold: who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import anyview_ros

PACKAGE = Path(anyview_ros.__path__[0])
VALUES = (
    *("errors", "frames", "geometry", "contract", "packages", "release", "topics", "time_grid"),
    *("text_table", "whole_file", "diagnostic_keys", "typed_json", "quiet_interrupt"),
    *("nearest", "installed", "signatures", "parent_death"),
)
GENERATED = ("msg", "srv", "action")

# layer -> the layers of this package that it may import, itself aside
LAYERS = {
    "values": (),
    "imaging": ("values",),
    "media": ("values", "imaging"),
    "worlds": ("values",),
    "engine": ("values", "imaging"),
    "clips": ("values", "imaging", "engine"),
    "datasets": ("values", "imaging", "media", "clips"),
    "augment": ("values", "imaging", "media", "engine", "clips", "datasets"),
    "model": ("values", "engine"),
    "training": ("values", "imaging", "media", "worlds", "engine", "datasets", "model"),
    "evaluation": (
        *("values", "imaging", "media", "worlds", "engine", "datasets", "model", "training"),
    ),
    "verify": ("values", "imaging", "engine", "datasets", "model", "evaluation"),
    "node": ("values", "imaging", "media", "worlds", "engine", "clips", "generated"),
    "doctor": ("values", "engine", "clips", "datasets", "node"),
    "demo": (
        *("values", "imaging", "media", "worlds", "clips", "datasets", "node", "evaluation"),
        *("doctor", "generated"),
    ),
    "view": ("values", "imaging", "engine", "clips", "datasets"),
    "live_view": ("values", "imaging", "clips", "node", "doctor", "demo", "view", "generated"),
    "chaos": (*("values", "imaging", "worlds", "datasets", "node", "doctor", "demo", "generated"),),
    "cli": (
        *("values", "imaging", "media", "worlds", "engine", "datasets", "augment", "node", "model"),
        *("training", "evaluation", "verify", "doctor", "demo", "view", "live_view", "chaos"),
    ),
}
# room of the node -> the other rooms that it may import
ROOMS = {
    "transforms": (),
    "sources": ("transforms",),
    "virtual": (),
    "inference": (),
    "clips": ("transforms", "sources", "virtual", "inference"),
    "streaming": ("sources", "virtual", "inference", "clips"),
    "simulation": (),
}
# beside the rooms, and used in them
SHARED = (
    "allocator",
    "messages",
    "qos_overrides",
    "parameter",
    "parameters",
    "signals",
    "steady_clock",
    "qos_matching",
    "log_folder",
    "ros_arguments",
    "spinning",
)
# Decide small, copy large: loaded for packages with `sweep_weights` alone.
SURFACES = ("engine.surfaces.compiled",)
# Read and write files; nothing of ROS is loaded for them.
WITHOUT_ROS = (
    *("values", "imaging", "media", "worlds", "engine", "clips", "datasets", "augment", "model"),
    *("training", "evaluation", "view"),
)
COMMANDS_WITHOUT_ROS = (
    *("demo.report", "cli.convert", "cli.convert_bag", "cli.convert_video", "cli.report"),
    *("cli.bench", "cli.train", "cli.export", "cli.augment", "cli.completion", "cli.demo"),
    *(
        "cli.node",
        "cli.rig",
        "cli.check",
        "cli.top",
        "cli.inspect",
        "cli.view",
        "cli.sign",
        "cli.policy",
        "cli.chaos",
    ),
)
# package -> the layers, or the one module, that may import it
HOMES = {
    "onnxruntime": ("engine.onnx.runtime",),
    "rclpy": ("node", "doctor", "demo", "live_view", "chaos"),
    "tf2_ros": ("node",),
    "torch": ("model", "training", "evaluation", "verify", "cli"),
    "numba": ("worlds", "node", "training", "evaluation", *SURFACES),
    "rosbags": ("datasets", "augment", "demo"),
    "ray": ("augment.ray_workers",),
    "fsspec": ("augment.stores",),
    "viser": ("view.local_server", "view.page", "view.live_page"),
    "websockets": ("view.local_server",),
    "cryptography": ("signatures",),
    "pyarrow": ("augment.exports.arrow_tables",),
}


def modules() -> list[str]:
    """Dotted names below the package, `__init__` of folders and of the package left out."""
    files = (file.relative_to(PACKAGE) for file in PACKAGE.rglob("*.py"))
    return sorted(".".join(f.with_suffix("").parts) for f in files if f.name != "__init__.py")


def layer(module: str) -> str:
    first = module.partition(".")[0]
    return "values" if first in VALUES else "generated" if first in GENERATED else first


def imports(module: str) -> Iterator[str]:
    """Every absolute name imported anywhere in a module, inside functions as well.

    Of `from a import b` both `a` and `a.b`: b may be a module.
    """
    tree = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{module}: relative import"
            if node.module != "anyview_ros":
                yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", modules())
def test_module_imports_only_the_layers_below(module: str) -> None:
    own = layer(module)
    assert own in LAYERS, f"{module}: a new top-level name needs a layer"
    for name in imports(module):
        if name.startswith("anyview_ros.") and not name.endswith(".__version__"):
            used = layer(name.removeprefix("anyview_ros."))
            assert used in (own, *LAYERS[own]), f"{module} ({own}) imports {name} ({used})"
        homes = HOMES.get(name.partition(".")[0])
        assert homes is None or own in homes or module in homes, f"{module} imports {name}"


def test_rules_name_layers_that_exist() -> None:
    found = {layer(module) for module in modules()}
    assert found == set(LAYERS)


@pytest.mark.parametrize("module", [m for m in modules() if m.startswith("node.")])
def test_room_imports_only_the_rooms_below(module: str) -> None:
    _, room, *rest = module.split(".")
    if not rest:  # beside the rooms: the node, and what it is made of
        assert room not in SHARED or not used_rooms(module), f"{module} imports a room"
        return
    unwanted = used_rooms(module) - {room, *ROOMS[room]}
    assert not unwanted, f"{module} imports {', '.join(sorted(unwanted))}"


def used_rooms(module: str) -> set[str]:
    """Rooms, and modules beside them other than shared ones, that a module imports."""
    names = [name.split(".") for name in imports(module) if name.startswith("anyview_ros.node.")]
    return {name[2] for name in names} - set(SHARED)


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("geometry", "torch rclpy onnxruntime numba cv2"),
        ("engine.pipeline", "torch rclpy numba"),
        ("worlds.world", "torch rclpy onnxruntime"),
        ("datasets.scene_layout", "torch rclpy onnxruntime numba"),
        ("node.anyview_node", "torch cryptography"),
        ("node.node_process", "numpy rclpy"),
        ("training.store", "torch rclpy onnxruntime"),  # in each process that renders
        ("cli.__main__", "torch rclpy onnxruntime numba numpy"),
    ],
)
def test_import_loads_nothing_of_other_layers(module: str, unwanted: str) -> None:
    code = f"import sys, anyview_ros.{module}; print(*set(sys.modules) & set({unwanted.split()}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert loaded.stdout.strip() == ""


def test_what_reads_files_needs_no_ros() -> None:
    """convert, report, bench, train and export, where rclpy is not installed."""
    blocked = ["rclpy", "rosidl_runtime_py", "builtin_interfaces", "sensor_msgs", "geometry_msgs"]
    wanted = [m for m in modules() if layer(m) in WITHOUT_ROS] + list(COMMANDS_WITHOUT_ROS)
    wanted = [m for m in wanted if m not in HOMES["viser"] or find_spec("viser")]  # an extra
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked}))\n"
    code += "".join(f"import anyview_ros.{module}\n" for module in wanted)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240
    )
    assert ended.returncode == 0, ended.stderr


def test_progress_bars_are_for_terminals() -> None:
    """tqdm writes into a log as well unless `disable` is None."""
    for file in PACKAGE.rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "tqdm":
                given = {keyword.arg: keyword.value for keyword in call.keywords}
                disabled = given.get("disable")
                assert isinstance(disabled, ast.Constant), f"{file}:{call.lineno}"
                assert disabled.value is None


def test_no_circle_of_imports() -> None:
    known = set(modules())
    ahead = {
        module: {name.removeprefix("anyview_ros.") for name in imports(module)} & known
        for module in known
    }
    while free := {module for module, used in ahead.items() if not used & ahead.keys()}:
        ahead = {module: used for module, used in ahead.items() if module not in free}
    assert not ahead, f"these import each other, or modules that do: {sorted(ahead)}"
