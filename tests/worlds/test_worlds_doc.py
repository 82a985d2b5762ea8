"""docs/worlds.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from anyview_ros.worlds.photograph_packages import PACKAGES
from anyview_ros.worlds.world import make_world

DOC = Path(__file__).resolve().parents[2] / "docs" / "worlds.md"
TEXT = DOC.read_text(encoding="utf-8")


def test_its_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    names: dict = {}
    exec(example, names)
    assert names["rgb"].shape == (144, 256, 3)
    assert names["depth"].dtype == "float32"
    assert (names["camera"].width, names["camera"].height) == (128, 128)


def test_its_table_names_the_links_and_cameras_there_are() -> None:
    for kind in ("street", "table"):
        (row,) = re.findall(rf"^\| `{kind}` \| .* \|$", TEXT, re.M)
        *_, links, rig, _ = row.split("|")
        world = make_world(kind, 0)
        assert re.findall(r"`(\w+)`", rig) == [camera.name for camera in world.rig]
        for link in re.findall(r"`(\w+)`", links):
            world.world_from_link(link, 0)


def test_its_pictures_are_there() -> None:
    pictures = re.findall(r"\]\((images/.*?)\)", TEXT)
    assert len(pictures) == 2
    for picture in pictures:
        assert (DOC.parent / picture).is_file()


def test_its_table_names_every_picture_that_is_read() -> None:
    for name, package in PACKAGES.items():
        (used,) = re.findall(rf"^\| `{name}`, `{package.install}` \| (.*?) \|", TEXT, re.M)
        told = set(re.findall(r"`([\w ]+)`", used))
        assert told == {*package.materials, *package.pictures, *package.panoramas}
