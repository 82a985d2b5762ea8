"""Remedies of signatures of model packages, done."""

from __future__ import annotations

import shutil
from pathlib import Path

from anyview_ros.cli.__main__ import main
from anyview_ros.packages import load_package
from anyview_ros.signatures import SIGNATURE, verify
from tests.packages import make_package
from tests.remedies.listed import code_of, does, is_outside, takes
from tests.test_signatures import write_keys


@does("signatures", "sign it with `anyview sign`")
def signed_by_the_command(folder: Path) -> None:
    package = make_package(folder / "tiny")
    private, public = write_keys(folder, "key")
    for code, content in (("model_unsigned", None), ("invalid_signature", "{}")):
        (package / SIGNATURE).unlink(missing_ok=True)
        if content:
            (package / SIGNATURE).write_text(content)
        assert code_of(verify, load_package(package), str(public)) == code
        assert main(["sign", str(package), "--key", str(private)]) == 0
        verify(load_package(package), str(public))


@does(
    "signatures",
    "set the parameter model_key to a public key's file",
    "set model_key to a file outside of it",
)
def key_of_the_owner(folder: Path) -> None:
    package = make_package(folder / "tiny")
    private, public = write_keys(folder, "key")
    shutil.copy(public, package / "key.pub")
    assert main(["sign", str(package), "--key", str(private)]) == 0
    for key in ("", str(package / "key.pub")):
        assert code_of(verify, load_package(package), key) == "invalid_key"
    takes("model_key", str(public))
    verify(load_package(package), str(public))


is_outside(
    "the publisher's",
    "signatures",
    "take the package from its publisher again",
    "take the package from where it was signed",
)
