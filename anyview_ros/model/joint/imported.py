"""The release in our own form: a folder of safetensors, a record of what it was, its licences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from anyview_ros.errors import AnyviewError
from anyview_ros.model.atomic_directory import atomic_directory, new_model_directory
from anyview_ros.model.joint.autoencoder import Autoencoder
from anyview_ros.model.joint.checkpoint import (
    mismatch,
    read_state,
    read_text,
    require_finite,
    require_fit,
)
from anyview_ros.model.joint.config import (
    AUTOENCODERS,
    NETWORKS,
    AutoencoderConfig,
    JointConfig,
)
from anyview_ros.model.joint.release import (
    AUTOENCODER,
    NETWORK,
    NOTICE,
    RELEASE,
    TEXT,
    ReleasedFile,
)
from anyview_ros.model.joint.transformer import JointTransformer
from anyview_ros.model.tensor_file import write_tensors
from anyview_ros.packages import sha256_of

RECORD = "import.json"
LICENCES = "LICENCES.md"
STORED = {NETWORK: "network", AUTOENCODER: "autoencoder", TEXT: "text"}  # .safetensors
FORMAT = "anyview-import-1"

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Origin:
    """Where a part came from.

    Args:
        name, sha256: of the file that was given.
        published: whether its hash begins as that of the published file.
    """

    name: str
    sha256: str
    published: bool


@dataclass(frozen=True)
class Import:
    """Imported weights: their folder, the sizes of the networks, where they came from."""

    folder: Path
    network: JointConfig
    autoencoder: AutoencoderConfig
    origins: Mapping[str, Origin]

    @property
    def description(self) -> str:
        """Describe the weights in words, for a card."""
        return "The AnyView network"

    @property
    def licence_texts(self) -> dict[str, str]:
        """Return texts that go with the weights wherever they go, by file name."""
        return {LICENCES: (self.folder / LICENCES).read_text()}

    @property
    def bytes(self) -> int:
        """Return about the bytes of all tensors."""
        return sum(tensor.nbytes for file in STORED for tensor in self.state(file).values())

    def state(self, file: ReleasedFile) -> dict[str, Tensor]:
        """Return the tensors of a part, mapped."""
        return _tensors(self.folder / f"{STORED[file]}.safetensors")


def import_release(
    files: Mapping[ReleasedFile, Path], models: Path, name: str, any_size: bool = False
) -> Import:
    """Check the three files and convert them into the folder `name` of `models`.

    Memory is that of a tensor: the files are mapped, and written a tensor at a time.

    Args:
        any_size: take the networks' sizes from the files, where they are not the released ones.

    Raises:
        AnyviewError: of `read_state`, `require_fit` and `atomic_directory`; nothing is left then.
    """
    folder = new_model_directory(models, name)
    states: dict[ReleasedFile, State] = {
        file: read_state(files[file], file) for file in (NETWORK, AUTOENCODER)
    }
    text = read_text(files[TEXT])
    states[TEXT] = {TEXT.mark: text}
    network, autoencoder = _sizes(files, states, any_size)
    _require_all_fit(files, states, network, autoencoder)
    origins = {STORED[file]: _origin(files[file], file) for file in RELEASE}
    size = sum(path.stat().st_size for path in files.values())
    with atomic_directory(folder, size) as partial:
        hashes = {}
        for file, state in states.items():
            for tensor in state:
                require_finite(files[file], tensor, state[tensor])
            stored = partial / f"{STORED[file]}.safetensors"
            write_tensors(stored, state, {"format": FORMAT, "part": STORED[file]})
            hashes[stored.name] = sha256_of(stored)
        (partial / LICENCES).write_text(NOTICE)
        record = {
            "format": FORMAT,
            "network": asdict(network),
            "autoencoder": asdict(autoencoder),
            "origins": {part: asdict(origin) for part, origin in origins.items()},
            "files": hashes,
        }
        (partial / RECORD).write_text(json.dumps(record, indent=2) + "\n")
    return Import(folder, network, autoencoder, origins)


def open_import(folder: Path) -> Import:
    """Open what `import_release` wrote; check its files against their hashes.

    Raises:
        AnyviewError: `invalid_import`, `model_damaged`.
    """
    record = _record(folder / RECORD)
    try:
        multipliers, halves = (
            tuple(record["autoencoder"].pop(name)) for name in ("multipliers", "time_halves")
        )
        opened = Import(
            folder,
            JointConfig(**record["network"]),
            AutoencoderConfig(**record["autoencoder"], multipliers=multipliers, time_halves=halves),
            {part: Origin(**origin) for part, origin in record["origins"].items()},
        )
        files = dict(record["files"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise AnyviewError("invalid_import", f"{folder / RECORD}: {error!r}") from None
    for part in STORED.values():
        name = f"{part}.safetensors"
        file = folder / name
        if not file.is_file() or sha256_of(file) != files.get(name):
            raise AnyviewError(
                "model_damaged", f"{file} is not what was imported; remove {folder}, import again"
            )
    return opened


def _record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise AnyviewError("invalid_import", f"{file} cannot be read as JSON: {error}") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise AnyviewError("invalid_import", f"{file} is no record of 'anyview import'")
    return record


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise AnyviewError("invalid_import", f"cannot read {path}: {error}") from None


def _sizes(
    files: Mapping[ReleasedFile, Path], states: Mapping[ReleasedFile, State], any_size: bool
) -> tuple[JointConfig, AutoencoderConfig]:
    if not any_size:
        return NETWORKS["anyview_dvs_2b"], AUTOENCODERS["cosmos_predict2"]
    network, coder = states[NETWORK], states[AUTOENCODER]
    try:
        width = len(network[NETWORK.mark])
        blocks = {int(name.split(".")[1]) for name in network if name.startswith("blocks.")}
        sizes = JointConfig(
            width=width,
            blocks=len(blocks),
            heads=width // len(network["blocks.0.self_attn.q_norm.weight"]),
            lora=len(network["blocks.0.adaln_modulation_mlp.1.weight"]),
            text_width=network["blocks.0.cross_attn.k_proj.weight"].shape[1],
            text_tokens=states[TEXT][TEXT.mark].shape[1],
        )
        return sizes, AutoencoderConfig(width=len(coder["encoder.conv1.weight"]))
    except (KeyError, IndexError, ValueError, TypeError, ZeroDivisionError) as error:
        raise mismatch(files[NETWORK], NETWORK.holds, [f"no sizes found: {error!r}"]) from None


def _require_all_fit(
    files: Mapping[ReleasedFile, Path],
    states: Mapping[ReleasedFile, State],
    network: JointConfig,
    autoencoder: AutoencoderConfig,
) -> None:
    with torch.device("meta"):  # names and shapes alone
        wanted = {
            NETWORK: JointTransformer(network).state_dict(),
            AUTOENCODER: Autoencoder(autoencoder).state_dict(),
            TEXT: {TEXT.mark: torch.empty(1, network.text_tokens, network.text_width)},
        }
    for file, state in states.items():
        require_fit(files[file], file.holds, state, wanted[file])


def _origin(path: Path, file: ReleasedFile) -> Origin:
    found = sha256_of(path)
    return Origin(path.name, found, found.startswith(file.sha256))
