"""The golden vectors of this checkout, and our networks in torch."""

from pathlib import Path

from anyview_ros.verify.engines import open_networks
from anyview_ros.verify.networks import Networks
from anyview_ros.verify.run import CHECKS, Golden, Line, verify_file, verify_scene

GOLDEN = Path(__file__).parent.parent / "golden"
FILES = (*CHECKS, "scene_tiny")


def lines(file: str, networks: Networks | None = None, path: Path = GOLDEN) -> list[Line]:
    """The verdicts on one file."""
    golden = Golden(path, CHECKS)
    if file == "scene_tiny":
        return [verify_scene(golden)]
    return list(verify_file(CHECKS[file], golden, networks or open_networks("torch")))
