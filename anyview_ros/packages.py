"""Find, check and write model packages.

A package is a folder with `manifest.json` (the contract), one ONNX file a graph and a card; the
manifest names the sha256 of every other file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.installed import shared
from anyview_ros.typed_json import WrongKindError, read_typed
from anyview_ros.whole_file import whole_file

DEFAULT_MODEL = "worlds-composite-10m"
MANIFEST = "manifest.json"
MAX_MANIFEST = 4 << 20  # bytes


@dataclass(frozen=True)
class ModelPackage:
    """A checked package: its folder, its contract, and the sha256 of its manifest.

    The manifest holds the hash of every other file, so its own hash names the whole package.
    """

    path: Path
    contract: Contract
    sha256: str

    def graph(self, name: str) -> Path:
        return self.path / f"{name}.onnx"


def search_path() -> tuple[Path, ...]:
    """Folders in which a package is looked for by name: the user's first, then installed ones."""
    user = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return tuple(dict.fromkeys((user / "anyview" / "models", *shared("models"))))


def find_package(name_or_path: str, folders: Sequence[Path] | None = None) -> Path:
    """Folder of a package given by path, or by name on the search path.

    Raises:
        AnyviewError: `unknown_model`, naming the folders searched and the packages there are.
    """
    if not name_or_path:
        raise AnyviewError("unknown_model", f"no model named; there are: {_known(folders)}")
    if os.sep in name_or_path:
        path = Path(name_or_path).expanduser()
        if (path / MANIFEST).is_file():
            return path
        raise AnyviewError("unknown_model", f"'{path}' holds no {MANIFEST}; give a package folder")
    for folder in folders if folders is not None else search_path():
        if (folder / name_or_path / MANIFEST).is_file():
            return folder / name_or_path
    searched = ", ".join(str(f) for f in (folders if folders is not None else search_path()))
    raise AnyviewError(
        "unknown_model",
        f"no model package '{name_or_path}' in {searched}; there are: {_known(folders)}",
    )


def load_package(path: Path, check_files: bool = True) -> ModelPackage:
    """Read and check a package: fields, presence and sha256 of every file.

    Args:
        check_files: whether files are hashed; false for who reads them by `PackageFiles`.

    Raises:
        AnyviewError: `invalid_model` for a manifest that breaks the contract, `model_damaged` for
            a file that is missing, outside the package, or differs from its hash.
    """
    contract, manifest_sha256 = _read_manifest(path / MANIFEST)
    missing = [f"{g}.onnx" for g in contract.graphs if f"{g}.onnx" not in contract.files]
    if missing:
        raise AnyviewError("invalid_model", f"{path / MANIFEST}: files lacks {', '.join(missing)}")
    package = ModelPackage(path, contract, manifest_sha256)
    for name in contract.files:
        file = file_inside(path, name)
        if check_files:
            check_hash(package, name, sha256_of(file))
    return package


def file_inside(package: Path, name: str) -> Path:
    """Return the path of a file of a package, which is there and inside.

    Raises:
        AnyviewError: `model_damaged`.
    """
    file = package / name
    try:
        inside, there = file.resolve().is_relative_to(package.resolve()), file.is_file()
    except (OSError, ValueError):  # a name that no file can have
        inside, there = True, False
    if not inside:
        raise AnyviewError("model_damaged", f"'{name}' lies outside the package {package}")
    if not there:
        raise AnyviewError(
            "model_damaged", f"'{name}' is missing in {package}; install the package again"
        )
    return file


def check_hash(package: ModelPackage, name: str, found: str) -> None:
    """Compare the sha256 of a file with that of the manifest.

    Raises:
        AnyviewError: `model_damaged`.
    """
    expected = package.contract.files[name]
    if found != expected:
        raise AnyviewError(
            "model_damaged",
            f"'{name}' in {package.path} has sha256 {found[:12]}..., the manifest says "
            f"{expected[:12]}...; install the package again",
        )


def write_manifest(path: Path, contract: Contract) -> None:
    """Write `contract` as the manifest of the package folder `path`, whole or not at all."""
    with whole_file(path / MANIFEST) as file:
        file.write_text(json.dumps(asdict(contract), indent=2) + "\n")


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_manifest(file: Path) -> tuple[Contract, str]:
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_MANIFEST + 1)
        raw = json.loads(text) if len(text) <= MAX_MANIFEST else None
    except (OSError, ValueError, RecursionError) as error:
        raise AnyviewError("invalid_model", f"{file}: cannot be read as JSON ({error})") from None
    if len(text) > MAX_MANIFEST:
        raise AnyviewError(
            "invalid_model",
            f"{file}: a manifest has at most {MAX_MANIFEST >> 20} MiB, this has more",
        )
    try:
        contract: Contract = read_typed(Contract, raw, "the manifest")
    except WrongKindError as error:
        raise AnyviewError("invalid_model", f"{file}: {error}") from None
    return contract, hashlib.sha256(text).hexdigest()


def _known(folders: Sequence[Path] | None) -> str:
    folders = folders if folders is not None else search_path()
    found = {f.parent.name for folder in folders for f in folder.glob(f"*/{MANIFEST}")}
    return ", ".join(sorted(found)) or "none"
