"""Packs the photographs of installed packages into one file.

    python -m anyview_ros.worlds.pack_photographs photographs.npz [PACKAGE ...]

A machine without these packages, a rented GPU say, trains with `photographs_from =
["photographs.npz"]` in the sets of scenes of its config, and renders the same scenes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from anyview_ros.worlds.photograph_packages import PACKAGES
from anyview_ros.worlds.photographs import PACKED, read_photographs


def main() -> None:
    parser = argparse.ArgumentParser(description="pack photographs of installed packages")
    parser.add_argument("file", type=Path, help=f"to write, *{PACKED}")
    parser.add_argument("packages", nargs="*", default=list(PACKAGES), help="all when left out")
    args = parser.parse_args()
    photographs = read_photographs(tuple(args.packages))
    photographs.pack(args.file)
    size = args.file.stat().st_size / 2**20
    print(f"{args.file}: {len(photographs.names)} textures, {size:.1f} MiB")


if __name__ == "__main__":
    main()
