"""`anyview sign PACKAGE`: sign a model package with a key, or check its signature."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="name or folder of a model package")
    parser.add_argument(
        "--key",
        type=Path,
        required=True,
        metavar="PEM",
        help="the private key to sign with, over the curve P-256 and without a password; with "
        "--check the public key that is trusted",
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; say whether the signature is good"
    )


def run(args: argparse.Namespace) -> int:
    """Sign the files as they are, once they are those of the manifest."""
    from anyview_ros.packages import find_package, load_package
    from anyview_ros.signatures import SIGNATURE, sign, verify

    package = load_package(find_package(args.model))
    if args.check:
        verify(package, str(args.key))
        print(f"'{package.contract.name}' is what the owner of {args.key} signed")
        return 0
    fingerprint = sign(package, args.key)
    print(f"{package.path / SIGNATURE}: signed with the key of fingerprint {fingerprint}")
    return 0
