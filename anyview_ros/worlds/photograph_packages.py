"""Installed packages with photographs: where they keep them, and what is what among them.

Only pictures that are CC0 or in the public domain are named, so nothing clings to what is learned
from them: docs/worlds.md says what each package holds, and what was left out and why.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from anyview_ros.errors import AnyviewError

SHARE = Path("/usr/share")
HELD_OUT = 5  # one hash of a name in so many is kept for evaluation


@dataclass(frozen=True)
class Package:
    """An installed package with pictures.

    Args:
        install: the command.
        folders: where its pictures may be, the first that exists is taken.
        suffix: of its files.
        materials: metres that a picture of a material is wide, by name; they may lie anywhere.
        grounds: names of panoramas whose ground, seen from above, is a material, and the cuts in
            which nothing stands on it.
        grown: names of materials and grounds that grew; the others were laid.
        pictures: names of photographs of something, which may be printed on things.
        skies: names of outdoor panoramas.
        panoramas: names of all panoramas; cuts of them are pictures.
    """

    install: str
    folders: Callable[[], Iterator[Path]]
    suffix: str
    materials: Mapping[str, float] = field(default_factory=dict)
    grounds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    grown: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    skies: tuple[str, ...] = ()
    panoramas: tuple[str, ...] = ()


def _site_packages() -> Iterator[Path]:
    return (Path(place) / "skimage" / "data" for place in sys.path)


def _node_modules() -> Iterator[Path]:
    here = Path.cwd()
    places = [place / "node_modules" for place in (here, *here.parents)]
    places += [Path(place) for place in os.environ.get("NODE_PATH", "").split(os.pathsep) if place]
    places += [Path("/usr/local/lib/node_modules"), Path("/usr/lib/node_modules")]
    return (place / "@pmndrs" / "assets" / "hdri" for place in places)


PACKAGES = {
    "scikit-image": Package(
        "pip install scikit-image",
        _site_packages,
        ".png",
        materials={"brick": 1.6, "grass": 1.2, "gravel": 0.8},
        grown=("grass",),
        pictures=("camera", "chelsea", "coffee"),
    ),
    "blender-data": Package(
        "apt-get install blender-data",
        lambda: iter([SHARE / "blender/datafiles/studiolights/world"]),
        ".exr",
        skies=("city", "sunrise", "sunset"),
        panoramas=("city", "courtyard", "forest", "interior", "sunrise", "sunset"),
        grounds={"courtyard": (1, 2, 3), "forest": (1, 2), "sunset": (1, 3, 4, 5)},
        grown=("forest",),
    ),
    "@pmndrs/assets": Package(
        "npm install @pmndrs/assets",
        _node_modules,
        ".exr.js",
        skies=("city", "dawn", "park", "sky", "sunrise", "sunset", "venice"),
        panoramas=(
            *("apartment", "bridge", "city", "dawn", "esplanade", "forest", "hall", "lab", "lobby"),
            *("park", "sky", "sunrise", "sunset", "venice", "warehouse", "workshop"),
        ),
        grounds=dict.fromkeys(("dawn", "forest", "park", "sunset", "venice"), (0, 2, 4)),
        grown=("dawn", "forest", "park"),
    ),
}


def find_package(name: str) -> Path:
    """The folder of a package's pictures.

    Raises:
        AnyviewError: `unknown_photographs`; `missing_photographs` when it is not installed.
    """
    if name not in PACKAGES:
        known = ", ".join(f"'{known}'" for known in PACKAGES)
        raise AnyviewError(
            "unknown_photographs", f"photographs come from packages among {known}; got '{name}'"
        )
    places = list(dict.fromkeys(PACKAGES[name].folders()))
    for folder in places:
        if folder.is_dir():
            return folder
    raise AnyviewError(
        "missing_photographs",
        f"need the photographs of '{name}', looked in {', '.join(map(str, places))}; "
        f"run '{PACKAGES[name].install}'",
    )


def is_held_out(stem: str) -> bool:
    """Whether pictures of that name are kept for evaluation.

    By the name alone: where two packages have the same panorama, both are.
    """
    return hashlib.blake2b(stem.encode()).digest()[0] % HELD_OUT == 0
