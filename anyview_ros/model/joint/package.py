"""Imported weights as model packages, one a shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.model.atomic_directory import atomic_directory, new_model_directory
from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.checkpoint import load_state
from anyview_ros.model.joint.config import PRECISIONS, Precision
from anyview_ros.model.joint.export import JointModel, export_joint_package
from anyview_ros.model.joint.imported import LICENCES, RECORD, Import, open_import
from anyview_ros.model.joint.release import AUTOENCODER, NETWORK, TEXT
from anyview_ros.model.joint.transformer import JointTransformer
from anyview_ros.packages import search_path
from anyview_ros.release import network_size

# Of a package: fp32 rounds where the release does, and stores the bfloat16 numbers it was given.
MODES = {"fp32": "parity", "fp16": "fp16", "bf16": "bf16"}
RATIO_SIDE = 1152  # pixels of the longer side of a camera given by its ratio alone
CARD = """# {name}

{what} (arXiv 2601.16982) in {precision}, for clips of
{frames} frames of {height} x {width}, {steps} steps. Source and target are brought to this
size with Pillow's Lanczos; intrinsics are scaled without the half-pixel term, as the network was
trained.

{origins}

Compared with torch: {compared}.

Licence: {licence}. See {licences}.
"""


@dataclass(frozen=True)
class Packaged:
    """A package that was written: its folder, contract, and how far ONNX Runtime is from torch."""

    folder: Path
    contract: Contract
    differences: Mapping[str, float]


def find_import(name_or_path: str) -> Import:
    """Find imported weights by folder, or by name where packages are looked for.

    Raises:
        AnyviewError: `unknown_weights`, or as `open_import`.
    """
    folders = [Path(name_or_path), *(models / name_or_path for models in search_path())]
    for folder in folders:
        if (folder / RECORD).is_file():
            return open_import(folder)
    raise AnyviewError(
        "unknown_weights",
        f"'{name_or_path}' is neither a checkpoint file nor imported weights in "
        f"{', '.join(map(str, search_path()))}; 'anyview import' makes those",
    )


def model_of(imported: Import, precision: Precision) -> JointModel:
    """Return the networks of imported weights; bfloat16 matrices stay mapped from their file."""
    with torch.device("meta"):  # without memory of its own: the file's tensors take the places
        autoencoder = Autoencoder(imported.autoencoder, precision)
    load_state(autoencoder, imported.state(AUTOENCODER))
    autoencoder.take_constants(precision.rounds)
    network = network_of(imported, precision)
    return JointModel(network, autoencoder, imported.state(TEXT)[TEXT.mark])


def network_of(imported: Import, precision: Precision) -> JointTransformer:
    """Return the transformer of imported weights, as in `model_of`."""
    with torch.device("meta"):
        network = JointTransformer(imported.network, precision)
    return load_state(network, imported.state(NETWORK))


def package_import(
    imported: Import,
    models: Path,
    contract: Contract,
    piece: int = 1,
    tabulated: bool = False,
) -> Packaged:
    """Write the package `contract.name` into the folder `models`, whole or not at all.

    Args:
        piece, tabulated: see `JointModel`.

    Raises:
        AnyviewError: `model_exists`, `disk_full`, `export_differs`.
    """
    folder = new_model_directory(models, contract.name)
    model = model_of(imported, PRECISIONS[MODES[contract.precision]])
    model = replace(model, piece=piece, tabulated=tabulated)
    with atomic_directory(folder, imported.bytes) as partial:
        written, differences = export_joint_package(partial, contract, model)
        for name, text in imported.licence_texts.items():
            (partial / name).write_text(text)
        (partial / "README.md").write_text(card(written, imported, differences))
    return Packaged(folder, written, differences)


def package_name(name: str, clip: tuple[int, int, int], precision: str) -> str:
    """Return the name of a package: weights, shape, and the precision unless it is fp32."""
    shape = "x".join(map(str, clip))
    return f"{name}-{shape}" + (f"-{precision}" if precision != "fp32" else "")


def size_of_camera(text: str) -> tuple[int, int]:
    """Return (H, W) at which the network sees a camera, given as '16:9' or as '1920x1080' (W x H).

    Raises:
        AnyviewError: `invalid_size`.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})([:x])([1-9]\d{0,4})", text)
    if not found:
        raise AnyviewError(
            "invalid_size", f"a camera is a ratio as 16:9, or WIDTHxHEIGHT in pixels, got '{text}'"
        )
    width, height = int(found[1]), int(found[3])
    if found[2] == ":":
        longer = max(width, height)
        width, height = round(RATIO_SIDE * width / longer), round(RATIO_SIDE * height / longer)
    return network_size(height, width)


def card(contract: Contract, imported: Import, differences: Mapping[str, float]) -> str:
    """Return the README of a package."""
    (frames,), ((height, width),) = contract.frames, contract.sizes
    origins = [
        f"- {origin.name}: sha256 {origin.sha256}"
        + (", the published file" if origin.published else ", NOT the published file")
        for origin in imported.origins.values()
    ]
    apart = [f"{name.removeprefix('proxy-')} {error:.1e}" for name, error in differences.items()]
    return CARD.format(
        name=contract.name,
        what=imported.description,
        frames=frames,
        height=height,
        width=width,
        steps=contract.max_steps,
        precision=contract.precision,
        origins="\n".join(origins),
        compared=f"largest difference over the largest value {', '.join(apart)}"
        if apart
        else "not on this machine, whose ONNX Runtime has no bfloat16",
        licence=contract.licence,
        licences=LICENCES,
    )
