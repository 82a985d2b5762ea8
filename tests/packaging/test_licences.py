"""Every requirement stands in docs/licences.md with a licence that somebody looked at."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import files
from typing import Any

import pytest
from av._core import library_meta

from tests.packaging import licences
from tests.packaging.licences import normalized, stated, wanted
from tests.packaging.pins import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGE = (ROOT / "docs" / "licences.md").read_text()
# What Apache-2.0 code may need. Another word needs a look at that licence, then a place here.
LOOKED_AT = {
    *(
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
    ),
    *(
        "BSL-1.0",
        "CC0-1.0",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Public Domain",
        "Zlib",
    ),
    "any-OSI",  # apsw: whichever one likes
    "GPL",  # of docutils: an Emacs mode in its sources
    "LicenseRef-NVIDIA-Proprietary",  # of the extra gpu
}


def test_every_requirement_has_a_licence_and_nothing_else_stands_there() -> None:
    known = licences.licences()
    assert set(known) == wanted(), "run python -m tests.packaging.licences"
    assert all(known.values())


def test_every_dependency_and_extra_is_told() -> None:
    extras = PROJECT["optional-dependencies"]
    asked = [name for names in (PROJECT["dependencies"], *extras.values()) for name in names]
    told = set(re.findall(r"^\| ([\w-]+) \| \S", PAGE, re.M))
    assert {normalized(re.split(r"[\[<>=]", name)[0]) for name in asked} <= told


def test_what_is_installed_says_the_same() -> None:
    known, said = licences.licences(), licences.installed()
    both = known.keys() & said.keys()
    assert len(both) > 50
    assert {n: said[n] for n in both} == {n: known[n] for n in both}


def test_every_licence_was_looked_at() -> None:
    said = {part for licence in licences.licences().values() for part in parts(licence)}
    assert said == LOOKED_AT


def parts(licence: str) -> list[str]:
    return re.split(r" AND | OR | / ", licence)


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License-Expression": "MIT OR 0BSD", "License": "no"}, "MIT OR 0BSD"),
        ({"License": "Apache License, Version 2.0"}, "Apache-2.0"),
        (
            {"License": "Copyright\nall of it", "Classifier": ["License :: MIT License"]},
            "MIT",
        ),
        (
            {"Classifier": ["License :: DFSG approved", "License :: OSI Approved :: BSD License"]},
            "BSD",
        ),
        ({"Classifier": ["Topic :: Software"]}, ""),
    ],
)
def test_metadata_says_it_in_several_ways(fields: dict[str, Any], licence: str) -> None:
    assert stated(fields) == licence


def test_the_wheels_of_av_hold_what_the_page_says() -> None:
    assert library_meta["libavcodec"]["license"].startswith("LGPL version 3")
    held = {file.name.partition("-")[0] for file in files("av") or () if "av.libs" in str(file)}
    assert {"libx264", "libx265"} <= held
