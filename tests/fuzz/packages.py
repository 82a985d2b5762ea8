"""Model packages: manifest, self-test, ONNX files as far as they are read here, signatures."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec

from anyview_ros import signatures
from anyview_ros.engine.onnx.external_data import UnreadableGraphError, external_tensors
from anyview_ros.engine.onnx.self_test import SELF_TEST, read_cases
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import MANIFEST, load_package
from anyview_ros.signatures import SIGNATURE, public_key, sign, signed_files, verify
from anyview_ros.typed_json import WrongKindError
from tests.fuzz.target import CrashError, Read, Target
from tests.packages import make_package, seal

CONTENT = np.arange(256, dtype=np.uint8)  # of the file that weights lie in


def open_manifest(folder: Path) -> Read:
    package = make_package(folder / "tiny")

    def read(content: bytes) -> None:
        (package / MANIFEST).write_bytes(content)
        contract = load_package(package, check_files=False).contract
        for speed in contract.sigmas:
            contract.sampled_by(speed), contract.usual_frames(speed)
        for height, width in contract.sizes:
            if min(contract.latent.of(min(contract.frames), height, width)) < 1:
                raise CrashError("a latent of no size")

    return read


def manifest_seeds(folder: Path) -> dict[str, bytes]:
    from anyview_ros.packages import DEFAULT_MODEL, find_package

    tiny = json.loads((make_package(folder / "tiny") / MANIFEST).read_text())
    shipped = json.loads((find_package(DEFAULT_MODEL) / MANIFEST).read_text())
    shipped["scores"], shipped["files"] = {}, dict.fromkeys(tiny["files"], "0" * 64)
    return {
        "tiny": json.dumps(tiny).encode(),
        "shipped": json.dumps(shipped).encode(),
    }


def open_self_test(folder: Path) -> Read:
    return read_cases


def self_test_seeds(folder: Path) -> dict[str, bytes]:
    case = {
        "inputs": {"frames": [1, 3, 1, 2, 2], "t": [1]},
        "values": {"t": [0.5]},
        "outputs": {"latent": {"shape": [1, 4], "kept": [0.0, 1.0, -1.0, 2.5]}},
        "rounded": True,
    }
    return {"two": json.dumps({"encode": case, "decode": case}).encode(), "none": b"{}"}


def open_onnx(folder: Path) -> Read:
    def read(content: bytes) -> None:
        try:
            found = [t.array(CONTENT).nbytes for t in external_tensors(memoryview(content))]
        except UnreadableGraphError as error:
            raise AnyviewError("invalid_model", str(error)) from None  # as `PackageFiles` does
        if max(found, default=0) > CONTENT.nbytes:
            raise CrashError(f"{max(found)} bytes of {CONTENT.nbytes}")

    return read


def onnx_seeds(folder: Path) -> dict[str, bytes]:
    import onnx
    from onnx import TensorProto, helper

    def tensor(kind: int, **places: str) -> TensorProto:
        made = TensorProto(name="w", dims=[2, 4], data_type=kind)
        made.data_location = TensorProto.EXTERNAL
        for key, value in places.items():
            made.external_data.add(key=key, value=value)
        return made

    def model(*nodes: Any, weights: tuple[Any, ...] = ()) -> bytes:
        graph = helper.make_graph(list(nodes), "graph", [], [], list(weights))
        return bytes(helper.make_model(graph).SerializeToString())

    place = {"location": "w.bin", "offset": "64", "length": "32"}
    inner = helper.make_graph([], "inner", [], [], [tensor(1, **place)])
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner)
    constant = helper.make_node("Constant", [], ["y"], value=tensor(1, **place))
    found = {f"kind{kind}": model(weights=(tensor(kind, **place),)) for kind in (1, 7, 10)}
    found |= {"graph in graph": model(node), "constant": model(constant)}
    function = onnx.ModelProto()
    function.functions.add(name="f").node.append(node)
    function.graph.initializer.append(helper.make_tensor("here", 1, [2], [1.0, 2.0]))
    function.graph.sparse_initializer.add(dims=[9])
    found["function"] = function.SerializeToString()
    for file in make_package(folder / "tiny").glob("*.onnx"):
        found[file.stem] = file.read_bytes()
    return found


def a_key() -> ec.EllipticCurvePrivateKey:
    """The same one always, since seeds and regressions are signed with it."""
    return ec.derive_private_key(20261130, ec.SECP256R1())


def write_key(folder: Path) -> Path:
    kinds = (pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    (folder / "key.pem").write_bytes(a_key().private_bytes(*kinds))
    kinds_public = (pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pub").write_bytes(a_key().public_key().public_bytes(*kinds_public))
    return folder / "key.pem"


def open_signature(folder: Path) -> Read:
    key = a_key().public_key()
    return lambda content: signed_files(content, key)


def open_statement(folder: Path) -> Read:
    """Open what the trusted key signed, whatever it is."""
    private = a_key()
    write_key(folder)
    package = load_package(seal(make_package(folder / "tiny")))

    def read(content: bytes) -> None:
        made = private.sign(signatures._signed_bytes(content), signatures._ecdsa())
        envelope = {
            "payload": base64.b64encode(content).decode(),
            "payloadType": signatures.IN_TOTO,
            "signatures": [{"sig": base64.b64encode(made).decode()}],
        }
        bundle = {
            "mediaType": signatures.BUNDLE,
            "verificationMaterial": {"publicKey": {}},
            "dsseEnvelope": envelope,
        }
        (package.path / SIGNATURE).write_text(json.dumps(bundle))
        verify(package, str(folder / "key.pub"))

    return read


def signature_seeds(folder: Path) -> dict[str, bytes]:
    package = make_package(folder / "tiny")
    sign(load_package(seal(package)), write_key(folder))
    recorded = Path(__file__).parents[1] / "recorded_signature" / "package" / SIGNATURE
    return {"own": (package / SIGNATURE).read_bytes(), "recorded": recorded.read_bytes()}


def statement_seeds(folder: Path) -> dict[str, bytes]:
    bundles = signature_seeds(folder)
    payloads = {n: json.loads(b)["dsseEnvelope"]["payload"] for n, b in bundles.items()}
    return {name: base64.b64decode(payload) for name, payload in payloads.items()}


def open_key(folder: Path) -> Read:
    def read(content: bytes) -> None:
        (folder / "key.pub").write_bytes(content)
        public_key(folder / "key.pub")

    return read


def key_seeds(folder: Path) -> dict[str, bytes]:
    write_key(folder)
    return {name: (folder / name).read_bytes() for name in ("key.pub", "key.pem")}


TARGETS = {
    "manifest": Target(open_manifest, manifest_seeds, is_json=True, max_bytes=8192),
    SELF_TEST.removesuffix(".json"): Target(
        open_self_test, self_test_seeds, is_json=True, refusals=(WrongKindError,)
    ),
    "onnx": Target(open_onnx, onnx_seeds, ("location", "offset")),
    "signature": Target(open_signature, signature_seeds, is_json=True, max_bytes=8192),
    "statement": Target(open_statement, statement_seeds, is_json=True, max_bytes=8192),
    "public-key": Target(open_key, key_seeds),
}
