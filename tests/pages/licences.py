"""docs/licences.md: what each requirement is under, and where pictures come from."""

from __future__ import annotations

from collections.abc import Mapping

from tests.packaging.licences import licences
from tests.packaging.pins import names

# Who needs a list, in the order in which a package is told: with the first that has it.
NEEDED: Mapping[str, str] = {
    "run": "Every installation",
    "onnxruntime": "Extra `cpu`",
    "onnxruntime-gpu": "Extra `gpu`",
    "view": "Extra `view`: the page of `anyview view`",
    "tables": "Extra `tables`: data sets of tables",
    "stores": "Extra `stores`: paths of object stores",
    "ray": "Extra `ray`: many recordings at a time",
    "train": "Extra `train`",
    "torch": "Extra `train`: PyTorch",
    "ros-jazzy": "ROS 2 Jazzy as wheels, and what compiles the interfaces",
    "ros-kilted": "ROS 2 Kilted as wheels",
    "sourced-ros": "Beside a sourced Jazzy or Kilted",
    "sourced-lyrical": "Beside a sourced Lyrical",
    "test": "Tests and documents",
}
HEAD = """# Licences

<!-- made by `python -m tests.pages`: edit tests/pages/licences.py, not this file -->

anyview_ros is under [Apache-2.0](../LICENSE): its code, the packages in `models/`, the pictures of
these documents. What it needs is not part of it. Each requirement is under its own licence, told
below as its metadata tells it. Everything that `requirements/` installs stands here.

Three things that metadata does not tell:

- The wheels of `av` and `opencv-python-headless` hold FFmpeg, under the LGPL (3.0 and 2.1, or
  later). Those of `av` hold x264 and x265 too, which are under the GPL 2.0 or later. Whoever passes
  these wheels on passes that on, too; a sourced ROS takes OpenCV from apt.
- The `nvidia-*` wheels of the extra `gpu` are under terms of NVIDIA, which limit how they may be
  passed on.
- A change of a file under the MPL-2.0 has to be passed on as source. This package changes none.

## Pictures and textures

Each texture of a [world](worlds.md) is a formula in `anyview_ros/worlds`, and Apache-2.0 as the
rest. The pictures of the documents and of the models' cards show such worlds, and what models made
of them.

Photographs are no part of this package. They are read from packages that hold them:

- Worlds may wear photographs, all of them CC0. [One table](worlds.md#photographs) names each, and
  who says so. `models/worlds-composite-10m` was trained with some of them on, and one picture of
  the documents shows them.
- `demo --source motorcycle` and `bench --real` read [real pictures](bench.md#real-pictures), which
  are under the terms of their packages.

The numbers in `tests/golden` were computed with the AnyView release
([how](../tests/golden/README.md)); no code of it is here. The released weights have
[terms of their own](joint.md), and are no part of this package either.
"""


def page() -> str:
    """Return the page: of each list what no list before it has."""
    known, told = licences(), set[str]()
    lines = [HEAD]
    for name, title in NEEDED.items():
        new = sorted(names(name) - told)
        told |= set(new)
        if new:
            lines += [f"## {title}", "", "| package | licence |", "| --- | --- |"]
            lines += [f"| {package} | {known.get(package, '')} |" for package in new]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"
