"""Signatures of model packages in the OpenSSF model-signing format, made and checked offline.

`model.sig` is a Sigstore bundle (JSON): a DSSE envelope around an in-toto statement that names the
sha256 of every file, signed with ECDSA over P-256. What the package `model-signing` signs with
`sign key` is checked here, and what is signed here is verified by its `verify key`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from anyview_ros.errors import AnyviewError
from anyview_ros.packages import MANIFEST, ModelPackage, file_inside, sha256_of
from anyview_ros.whole_file import full_disk_named, whole_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )

SignaturePolicy = Literal["off", "warn", "require"]

SIGNATURE = "model.sig"
UNSIGNED = (SIGNATURE, ".git", ".gitattributes", ".github", ".gitignore")  # at the top of a package
MAX_SIGNATURE = 4 << 20  # bytes
MAX_KEY = 1 << 16
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"


def check_signature(
    package: ModelPackage, policy: SignaturePolicy, key: str
) -> AnyviewError | None:
    """Return what is wrong with a package's signature; None if nothing is, or nobody asks.

    Args:
        package: whose manifest was read; its files are checked against it by whoever reads them.
        key: path of the trusted public key, PEM.

    Raises:
        AnyviewError: the same where the policy is `require`, see `verify`.
    """
    if policy == "off":
        return None
    try:
        verify(package, key)
    except AnyviewError as error:
        if policy == "require":
            raise
        return error
    return None


def verify(package: ModelPackage, key: str) -> None:
    """Check that a package is what the owner of a key signed.

    Raises:
        AnyviewError: `invalid_key`, `model_unsigned`, `invalid_signature`, or `signature_mismatch`
            for a file that is another one, that is missing, or that nobody signed.
    """
    trusted = _public_key(package, key)
    signed = signed_files(_read_signature(package.path / SIGNATURE), trusted)
    known = {**package.contract.files, MANIFEST: package.sha256}
    for name, digest in signed.items():
        if (known.get(name) or sha256_of(file_inside(package.path, name))) != digest:
            raise _mismatch(package, f"'{name}' is another file than the one that was signed")
    for name in (*known, *_files(package.path)):
        if name not in signed:
            raise _mismatch(package, f"'{name}' was not signed")


def signed_files(signature: bytes, key: EllipticCurvePublicKey) -> dict[str, str]:
    """Return the sha256 of each file by its name, as the owner of a key signed them.

    Args:
        signature: content of `model.sig`.

    Raises:
        AnyviewError: `invalid_signature`.
    """
    from cryptography.exceptions import InvalidSignature

    try:
        bundle = json.loads(signature)
        _require(bundle["mediaType"] == BUNDLE, f"its mediaType is not {BUNDLE}")
        hint = bundle["verificationMaterial"]["publicKey"].get("hint")
        _require(hint in (None, "", fingerprint(key)), "another key made it than the trusted one")
        envelope = bundle["dsseEnvelope"]
        _require(envelope["payloadType"] == IN_TOTO, f"its payloadType is not {IN_TOTO}")
        (only,) = envelope["signatures"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        key.verify(base64.b64decode(only["sig"], validate=True), _signed_bytes(payload), _ecdsa())
        return _digests(json.loads(payload))
    except InvalidSignature:
        raise _invalid("it was not made with the trusted key, or was changed since") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        if isinstance(error, AnyviewError):
            raise
        raise _invalid(f"it is no bundle of this format ({error!r:.80})") from None


def sign(package: ModelPackage, key: Path) -> str:
    """Sign a package whose files were checked, and return the fingerprint of the key.

    Writes `model.sig` into it, in place of one that is there.

    Args:
        key: a private key, P-256, PEM, without a password.

    Raises:
        AnyviewError: `invalid_key`, `disk_full`.
    """
    private = _private_key(key)
    digests = {name: sha256_of(package.path / name) for name in _files(package.path)}
    payload = json.dumps(_statement(package.path.resolve().name, digests), indent=2).encode()
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": IN_TOTO,
        "signatures": [
            {
                "sig": base64.b64encode(private.sign(_signed_bytes(payload), _ecdsa())).decode(),
                "keyid": "",
            }
        ],
    }
    owner = fingerprint(private.public_key())
    material = {"publicKey": {"hint": owner}, "tlogEntries": []}
    bundle = {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
    file = package.path / SIGNATURE
    with full_disk_named(file), whole_file(file) as partial:
        partial.write_text(json.dumps(bundle))
    return owner


def remove_signature(folder: Path, name: str) -> str:
    """Remove the signature from a package that changed; return what to say, empty without one."""
    file = folder / SIGNATURE
    if not file.exists():
        return ""
    file.unlink()
    return f"the signature of '{name}' is gone, since the package changed: sign it again"


def fingerprint(key: EllipticCurvePublicKey) -> str:
    """Return the sha256 of a public key as PEM, by which a bundle names it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(pem).hexdigest()


def public_key(file: Path) -> EllipticCurvePublicKey:
    """Read a public key, P-256, PEM.

    Raises:
        AnyviewError: `invalid_key`.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_start_of(file, MAX_KEY))
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise _invalid_key(file, "public", str(error)) from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise _invalid_key(file, "public", "a key of another kind")
    return key


def _private_key(file: Path) -> EllipticCurvePrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_start_of(file, MAX_KEY), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _invalid_key(file, "private", str(error)) from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise _invalid_key(file, "private", "a key of another kind")
    return key


def _public_key(package: ModelPackage, key: str) -> EllipticCurvePublicKey:
    """Read the trusted key, which the package itself must not bring."""
    if not key:
        raise AnyviewError(
            "invalid_key", "no key is trusted: set the parameter model_key to a public key's file"
        )
    file = Path(key).expanduser()
    if file.resolve().is_relative_to(package.path.resolve()):
        raise AnyviewError(
            "invalid_key",
            f"'{file}' lies inside of the package that it is to vouch for; set model_key to a file "
            "outside of it",
        )
    return public_key(file)


def _statement(name: str, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the in-toto statement about files."""
    order = sorted(digests, key=PurePosixPath)
    resources = [{"name": n, "algorithm": "sha256", "digest": digests[n]} for n in order]
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": _root([digests[n] for n in order])}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": list(UNSIGNED),
            },
            "resources": resources,
        },
    }


def _digests(statement: Any) -> dict[str, str]:
    """Return the sha256 of each file that a statement is about.

    Raises:
        AnyviewError: `invalid_signature`; KeyError and others for what is no statement at all.
    """
    _require(statement["_type"] == STATEMENT, f"its statement is not {STATEMENT}")
    _require(statement["predicateType"] == PREDICATE, f"its predicate is not {PREDICATE}")
    how = statement["predicate"]["serialization"]
    by_files = (how["method"], how["hash_type"]) == ("files", "sha256")
    _require(by_files, "it was not made over whole files by sha256")
    digests: dict[str, str] = {}
    for resource in statement["predicate"]["resources"]:
        name, digest = resource["name"], resource["digest"]
        _require(resource["algorithm"] == "sha256", f"'{name}' is not hashed by sha256")
        _require(isinstance(name, str) and name not in digests, f"'{name}' is there twice")
        digests[name] = digest
    (subject,) = statement["subject"]
    root = _root(list(digests.values()))
    _require(subject["digest"]["sha256"] == root, "its files are not those of its subject")
    return digests


def _root(digests: list[str]) -> str:
    """Return the sha256 over the digests of all files, which stands for the whole package."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _files(package: Path) -> Iterator[str]:
    """Yield the names of the files of a package, those left out that no signature covers."""
    for folder, folders, files in os.walk(package):
        here = Path(folder).relative_to(package)
        if not here.parts:
            folders[:] = [name for name in folders if name not in UNSIGNED]
            files = [name for name in files if name not in UNSIGNED]
        yield from (str(PurePosixPath(here / name)) for name in files)


def _read_signature(file: Path) -> bytes:
    try:
        content = _start_of(file, MAX_SIGNATURE + 1)
    except OSError as error:
        raise AnyviewError(
            "model_unsigned",
            f"{file} cannot be read ({error.strerror}): take the package from where it was signed, "
            "or sign it with `anyview sign`",
        ) from None
    _require(len(content) <= MAX_SIGNATURE, f"it has more than {MAX_SIGNATURE >> 20} MiB")
    return content


def _start_of(file: Path, size: int) -> bytes:
    """Read a regular file up to a size: another kind may never end, or wait for its writer."""
    if not file.is_file():
        raise FileNotFoundError(2, "no such file")
    with file.open("rb") as stream:
        return stream.read(size)


def _signed_bytes(payload: bytes) -> bytes:
    """Return what a signature is over: DSSE's pre-authentication encoding, version 1."""
    return b"DSSEv1 %d %s %d %s" % (len(IN_TOTO), IN_TOTO.encode(), len(payload), payload)


def _ecdsa() -> Any:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    return ECDSA(SHA256())


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _invalid(otherwise)


def _invalid(reason: str) -> AnyviewError:
    return AnyviewError(
        "invalid_signature",
        f"{SIGNATURE} does not count, {reason}; take the package from its publisher again, or sign "
        "it with `anyview sign`",
    )


def _invalid_key(file: Path, kind: str, found: str) -> AnyviewError:
    return AnyviewError(
        "invalid_key",
        f"'{file}' must be a {kind} key over the curve P-256 as PEM, without a password, got: "
        f"{found}",
    )


def _mismatch(package: ModelPackage, reason: str) -> AnyviewError:
    return AnyviewError(
        "signature_mismatch",
        f"{package.path} is not the package that was signed: {reason}; take the package from its "
        "publisher again",
    )
