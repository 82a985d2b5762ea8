"""`anyview export CHECKPOINT --out FOLDER [--name NAME] [--config FILE]`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="latest.safetensors of a training run")
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder of packages")
    parser.add_argument("--name", default="", help="of the package, in place of the config's")
    parser.add_argument("--config", type=Path, help="in place of the copy in the checkpoint")


def run(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from anyview_ros.model.checkpoint import read_checkpoint
    from anyview_ros.training.config import parse_config, read_config
    from anyview_ros.training.package import package_run

    checkpoint = read_checkpoint(args.checkpoint)
    config = read_config(args.config) if args.config else parse_config(checkpoint.config)
    named = replace(config, name=args.name or config.name)
    folder = package_run(args.out / named.name, named, checkpoint)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: step {checkpoint.step}, {size / 2**20:.1f} MiB, equal to torch")
    return 0
