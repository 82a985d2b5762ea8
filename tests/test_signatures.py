"""Signatures of packages: both ways with the package model-signing, and each part altered.

`tests/recorded_signature` was signed by model-signing 1.1.1, whose private key is gone:
`model_signing sign key package --private_key k.pem --signature package/model.sig`.

ANYVIEW_MODEL_SIGNING=/path/to/model_signing python -m pytest tests/test_signatures.py
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from anyview_ros.cli.__main__ import main
from anyview_ros.contract import GRAPHS
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.seal import seal, seal_card
from anyview_ros.packages import MANIFEST, load_package, sha256_of
from anyview_ros.signatures import (
    MAX_SIGNATURE,
    SIGNATURE,
    check_signature,
    fingerprint,
    public_key,
    sign,
    signed_files,
    verify,
)
from tests.graph import CHECKOUT
from tests.packages import make_package
from tests.packages import seal as seal_as_it_is

RECORDED = Path(__file__).parent / "recorded_signature"
MODEL_SIGNING = os.environ.get("ANYVIEW_MODEL_SIGNING", "")


def write_keys(
    folder: Path, name: str, curve: ec.EllipticCurve | None = None, password: bytes = b""
) -> tuple[Path, Path]:
    """Files of a new private and its public key."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    locked = pem.BestAvailableEncryption(password) if password else pem.NoEncryption()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, locked))
    public.write_bytes(
        key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_keys(tmp_path_factory.mktemp("keys"), "trusted")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, Path]) -> Path:
    """A package with a card and a file below a folder, signed."""
    package = make_package(tmp_path_factory.mktemp("models") / "tiny")
    (package / "README.md").write_text("# tiny\n")
    (package / "more").mkdir()
    (package / "more" / "notes.txt").write_text("notes")
    sign(load_package(seal_as_it_is(package)), keys[0])
    return package


@pytest.fixture
def signed(tiny: Path, tmp_path: Path) -> Path:
    """A copy to alter."""
    return Path(shutil.copytree(tiny, tmp_path / "tiny"))


def refusal(package: Path, key: Path) -> str:
    """Code under which a node that requires signatures refuses a package; empty if it does not."""
    try:
        check_signature(load_package(package), "require", str(key))
    except AnyviewError as error:
        return error.code
    return ""


def statement(package: Path) -> Any:
    envelope = json.loads((package / SIGNATURE).read_text())["dsseEnvelope"]
    return json.loads(base64.b64decode(envelope["payload"]))


def test_what_model_signing_signed_is_verified_here() -> None:
    package = RECORDED / "package"
    digests = signed_files((package / SIGNATURE).read_bytes(), public_key(RECORDED / "public.pem"))
    assert digests == {
        str(file.relative_to(package)): sha256_of(file)
        for file in package.rglob("*")
        if file.is_file() and file.name != SIGNATURE
    }
    assert "sub/deep.txt" in digests


def test_what_is_signed_here_is_what_model_signing_signed(
    signed: Path, keys: tuple[Path, Path]
) -> None:
    """The statement about the same files is the same."""
    for file in signed.rglob("*"):
        if file.is_file():
            file.unlink()
    shutil.copytree(RECORDED / "package", signed.with_name("pkg"))
    bare = load_package(make_package(signed.with_name("any")))
    object.__setattr__(bare, "path", signed.with_name("pkg"))
    sign(bare, keys[0])
    ours, theirs = statement(signed.with_name("pkg")), statement(RECORDED / "package")
    for either in (ours, theirs):
        either["predicate"]["serialization"]["ignore_paths"].sort()
    assert ours == theirs
    ours, theirs = (
        json.loads((folder / SIGNATURE).read_text())
        for folder in (signed.with_name("pkg"), RECORDED / "package")
    )
    ours["verificationMaterial"]["publicKey"] = theirs["verificationMaterial"]["publicKey"]
    ours["dsseEnvelope"]["payload"] = theirs["dsseEnvelope"]["payload"]
    ours["dsseEnvelope"]["signatures"] = theirs["dsseEnvelope"]["signatures"]
    assert ours == theirs


@pytest.mark.skipif(not MODEL_SIGNING, reason="ANYVIEW_MODEL_SIGNING names no model_signing")
def test_model_signing_itself_agrees(signed: Path, keys: tuple[Path, Path]) -> None:
    private, public = map(str, keys)

    def call(*words: str) -> bool:
        command = [MODEL_SIGNING, *words[:2], str(signed), *words[2:]]
        command += ["--signature", str(signed / SIGNATURE)]
        return subprocess.run(command, capture_output=True, timeout=120).returncode == 0

    assert call("verify", "key", "--public_key", public)
    (signed / "README.md").write_text("another")
    assert not call("verify", "key", "--public_key", public)
    (signed / "README.md").write_text("# tiny\n")
    (signed / SIGNATURE).unlink()
    assert call("sign", "key", "--private_key", private)
    assert refusal(signed, keys[1]) == ""


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def edit(change: Callable[[Any], None]) -> Callable[[Path], None]:
    """Change the JSON of the signature."""

    def changed(package: Path) -> None:
        bundle = json.loads((package / SIGNATURE).read_text())
        change(bundle)
        (package / SIGNATURE).write_text(json.dumps(bundle))

    return changed


def edit_statement(change: Callable[[Any], None]) -> Callable[[Path], None]:
    """Change what was signed, and keep the signature."""

    def changed(bundle: Any) -> None:
        envelope = bundle["dsseEnvelope"]
        said = json.loads(base64.b64decode(envelope["payload"]))
        change(said)
        envelope["payload"] = base64.b64encode(json.dumps(said).encode()).decode()

    return edit(changed)


def rewrite_manifest(package: Path) -> None:
    manifest = json.loads((package / MANIFEST).read_text())
    (package / MANIFEST).write_text(json.dumps({**manifest, "scene_scale": 0.5}))


def flip_and_seal(name: str) -> Callable[[Path], None]:
    """Alter a file, and put its hash into the manifest."""

    def altered(package: Path) -> None:
        flip(package / name)
        seal_as_it_is(package)

    return altered


FILES = (*(f"{graph}.onnx" for graph in GRAPHS), "README.md", "more/notes.txt")
ALTERED: dict[str, tuple[Callable[[Path], None], str]] = {
    **{f"{f} flipped": (lambda p, f=f: flip(p / f), "model_damaged") for f in FILES},  # type: ignore[misc]
    **{f"{f} flipped and sealed": (flip_and_seal(f), "signature_mismatch") for f in FILES},
    "manifest rewritten": (rewrite_manifest, "signature_mismatch"),
    "file added": (lambda p: (p / "more" / "new.txt").touch(), "signature_mismatch"),
    "file hidden": (lambda p: (p / ".hidden").touch(), "signature_mismatch"),
    "file removed": (lambda p: (p / "README.md").unlink(), "model_damaged"),
    "signature removed": (lambda p: (p / SIGNATURE).unlink(), "model_unsigned"),
    "signature a folder": (
        lambda p: ((p / SIGNATURE).unlink(), (p / SIGNATURE).mkdir()),
        "model_unsigned",
    ),
    "signature a pipe": (
        lambda p: ((p / SIGNATURE).unlink(), os.mkfifo(p / SIGNATURE)),
        "model_unsigned",
    ),
    "signature empty": (lambda p: (p / SIGNATURE).write_text(""), "invalid_signature"),
    "signature huge": (
        lambda p: (p / SIGNATURE).write_bytes(b" " * (MAX_SIGNATURE + 1)),
        "invalid_signature",
    ),
    "signature deep": (
        lambda p: (p / SIGNATURE).write_text("[" * 100_000 + "]" * 100_000),
        "invalid_signature",
    ),
    "signature no object": (lambda p: (p / SIGNATURE).write_text("[1]"), "invalid_signature"),
    "media type": (edit(lambda b: b.update(mediaType="x")), "invalid_signature"),
    "payload type": (
        edit(lambda b: b["dsseEnvelope"].update(payloadType="x")),
        "invalid_signature",
    ),
    "signature bytes": (
        edit(lambda b: b["dsseEnvelope"]["signatures"][0].update(sig="AAAA")),
        "invalid_signature",
    ),
    "no signatures": (edit(lambda b: b["dsseEnvelope"].update(signatures=[])), "invalid_signature"),
    "two signatures": (
        edit(lambda b: b["dsseEnvelope"]["signatures"].append({})),
        "invalid_signature",
    ),
    "hint": (
        edit(lambda b: b["verificationMaterial"]["publicKey"].update(hint="0" * 64)),
        "invalid_signature",
    ),
    "subject": (
        edit_statement(lambda s: s["subject"][0].update(name="other")),
        "invalid_signature",
    ),
    "digest": (
        edit_statement(lambda s: s["predicate"]["resources"][0].update(digest="0" * 64)),
        "invalid_signature",
    ),
    "resource left out": (
        edit_statement(lambda s: s["predicate"]["resources"].pop()),
        "invalid_signature",
    ),
}


@pytest.mark.parametrize("what", ALTERED)
def test_a_signed_package_altered_in_any_part_is_refused_by_name(
    what: str, signed: Path, keys: tuple[Path, Path]
) -> None:
    assert refusal(signed, keys[1]) == ""
    alter, code = ALTERED[what]
    alter(signed)
    assert refusal(signed, keys[1]) == code


def test_a_file_that_is_another_one_is_named(signed: Path, keys: tuple[Path, Path]) -> None:
    rewrite_manifest(signed)
    with pytest.raises(AnyviewError, match=r"'manifest\.json' is another file than the one that"):
        verify(load_package(signed), str(keys[1]))
    seal_as_it_is(signed)
    sign(load_package(signed), keys[0])
    (signed / "new.txt").touch()
    with pytest.raises(AnyviewError, match=r"'new\.txt' was not signed"):
        verify(load_package(signed), str(keys[1]))


def signed_statement(change: Callable[[Any], None], keys: tuple[Path, Path], package: Path) -> None:
    """Change the statement, and sign it again with the trusted key."""
    from anyview_ros import signatures

    said = statement(package)
    change(said)
    private = signatures._private_key(keys[0])
    payload = json.dumps(said).encode()
    bundle = json.loads((package / SIGNATURE).read_text())
    made = private.sign(signatures._signed_bytes(payload), signatures._ecdsa())
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(made).decode()
    (package / SIGNATURE).write_text(json.dumps(bundle))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(_type="x"),
        lambda s: s.update(predicateType="https://model_signing/Digests/v0.1"),
        lambda s: s["predicate"]["serialization"].update(method="shards"),
        lambda s: s["predicate"]["serialization"].update(hash_type="blake2"),
        lambda s: s["predicate"]["resources"][0].update(algorithm="md5"),
        lambda s: s["predicate"]["resources"].append(s["predicate"]["resources"][0]),
        lambda s: s["predicate"]["resources"][0].update(digest=7),
        lambda s: s["subject"][0]["digest"].update(sha256="0" * 64),
        lambda s: s["subject"].append(s["subject"][0]),
    ],
)
def test_what_the_trusted_key_signed_is_of_the_format_or_refused(
    change: Callable[[Any], None], signed: Path, keys: tuple[Path, Path]
) -> None:
    signed_statement(change, keys, signed)
    assert refusal(signed, keys[1]) == "invalid_signature"


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_no_change_of_the_signature_file_gets_through(at: int, byte: int, cut: bool) -> None:
    content = bytearray((RECORDED / "package" / SIGNATURE).read_bytes())
    before, key = bytes(content), public_key(RECORDED / "public.pem")
    at %= len(content)
    content[at] = byte
    changed = bytes(content[:at] if cut else content)
    try:
        found = signed_files(changed, key)
    except AnyviewError as error:
        found = {"refused": error.code}
    # What is no part of it may change: spaces, keyid, tlogEntries.
    assert found in ({"refused": "invalid_signature"}, signed_files(before, key))


def test_policies(signed: Path, keys: tuple[Path, Path]) -> None:
    package = load_package(signed)
    assert check_signature(package, "require", str(keys[1])) is None
    (signed / SIGNATURE).unlink()
    assert check_signature(package, "off", "") is None
    warned = check_signature(package, "warn", str(keys[1]))
    assert warned is not None
    assert warned.code == "model_unsigned"
    with pytest.raises(AnyviewError) as refused:
        check_signature(package, "require", str(keys[1]))
    assert refused.value.code == "model_unsigned"


def test_only_the_trusted_key_counts(signed: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    private, public = write_keys(tmp_path, "other")
    assert refusal(signed, public) == "invalid_signature"
    sign(load_package(signed), private)
    assert refusal(signed, keys[1]) == "invalid_signature"
    assert refusal(signed, public) == ""
    edit(lambda b: b["verificationMaterial"]["publicKey"].update(hint=""))(signed)
    assert refusal(signed, keys[1]) == "invalid_signature", "not by its name alone"


def test_keys_that_are_none(signed: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no key")
    long = write_keys(tmp_path, "long", ec.SECP384R1())
    locked = write_keys(tmp_path, "locked", password=b"secret")
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "text", tmp_path / "none", tmp_path / "pipe", long[1], keys[0]):
        assert refusal(signed, file) == "invalid_key", file
    for file in (tmp_path / "text", tmp_path / "none", long[0], locked[0], keys[1]):
        with pytest.raises(AnyviewError) as refused:
            sign(load_package(signed), file)
        assert refused.value.code == "invalid_key", file
    shutil.copy(keys[1], signed / "key.pub")
    assert refusal(signed, signed / "key.pub") == "invalid_key"
    with pytest.raises(AnyviewError, match="set the parameter model_key"):
        verify(load_package(signed), "")


def test_what_seals_a_package_removes_its_signature_and_says_so(signed: Path) -> None:
    gone = "the signature of 'tiny' is gone, since the package changed: sign it again"
    assert seal_card(signed) == "", "nothing changed"
    assert (signed / SIGNATURE).is_file()
    (signed / "README.md").write_text("# another card\n")
    assert seal_card(signed) == gone
    assert not (signed / SIGNATURE).exists()
    (signed / SIGNATURE).write_text("old")
    assert seal(load_package(signed), {}) == gone
    assert not (signed / SIGNATURE).exists()
    assert SIGNATURE not in load_package(signed).contract.files
    assert seal(load_package(signed), {}) == ""


def test_the_commands_of_the_page(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys of openssl, a package signed and checked."""
    page = (CHECKOUT / "docs" / "model-packages.md").read_text()
    (block,) = [b for b in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "openssl" in b]
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny, tmp_path / "models" / "mine")
    for line in block.splitlines():
        words = line.partition("#")[0].split()
        if words[0] == "openssl":
            subprocess.run(words, check=True, capture_output=True, timeout=60)
        else:
            assert words[0] == "./anyview"
            assert main(words[1:]) == 0
    printed = capsys.readouterr().out
    assert fingerprint(public_key(tmp_path / "model-key.pub")) in printed
    assert "is what the owner of model-key.pub signed" in printed
