"""Reading checkpoints of others without running what is in them, and what must be in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from anyview_ros.errors import AnyviewError
from anyview_ros.model.joint.layers import Matrix
from anyview_ros.model.joint.release import RELEASE, TEXT, ReleasedFile

PREFIX = "net."
# In the released file, and never read by the released inference.
UNUSED = re.compile(
    r"accum_.*|(.*\.)?_extra_state|pos_embedder\..*|t_embedder\.1\..*|blocks\.\d+\.sattn_rope"
)
UNUSED_TEXT = re.compile(r"t5_text_mask")
FORMATS = (torch.bfloat16, torch.float16, torch.float32)
ZIP = b"PK\x03\x04"
KINDS_SHOWN = 12

Network = TypeVar("Network", bound=nn.Module)


class ByteStream:
    """Stands where a file holds a byte stream, a leftover of training; keeps nothing of it."""

    def __init__(self, *content: object) -> None:
        pass

    def __setstate__(self, content: object) -> None:
        pass


def read_state(path: Path, file: ReleasedFile) -> dict[str, Tensor]:
    """Read the tensors of a released file that its network uses, without the release's prefix.

    Either the tensors themselves or a dict that holds them under `model`. Nothing in the file is
    executed, and its tensors are mapped, not read: memory is that of what is used of them.

    Raises:
        AnyviewError: `missing_file`, `unsafe_checkpoint`, `invalid_checkpoint`, `wrong_file` when
            it holds another part of the release, `wrong_dtype`.
    """
    content = _read(path)
    state = content.get("model", content)
    if not isinstance(state, Mapping) or not state or not all(isinstance(k, str) for k in state):
        raise AnyviewError("invalid_checkpoint", f"{path} holds no tensors by name")
    names = [name.removeprefix(PREFIX) for name in state]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise AnyviewError(
            "invalid_checkpoint", f"{path} holds {twice[0]} both with and without '{PREFIX}'"
        )
    _require_mark(path, file, names)
    unused = UNUSED_TEXT if file is TEXT else UNUSED
    used = dict(zip(names, state.values(), strict=True))
    used = {name: value for name, value in used.items() if not unused.fullmatch(name)}
    _require_numbers(path, used)
    return used


def read_text(path: Path) -> Tensor:
    """Read the text embedding (1, M, C) of the empty prompt, float32.

    Raises:
        AnyviewError: as `read_state`; `checkpoint_mismatch`; `not_finite`.
    """
    state = read_state(path, TEXT)
    text = state.pop(TEXT.mark)
    if state:
        raise mismatch(path, TEXT.holds, [f"{name} is unknown" for name in state])
    if text.ndim != 3 or len(text) != 1:
        fault = f"{TEXT.mark} is {tuple(text.shape)}, not (1, tokens, channels)"
        raise mismatch(path, TEXT.holds, [fault])
    if not text[0, 0].any():
        # What the release feeds for an empty prompt; zeros would be the text of another network.
        raise mismatch(path, TEXT.holds, [f"the first token of {TEXT.mark} is all zeros"])
    require_finite(path, TEXT.mark, text)
    return text.float()


def require_fit(
    path: Path | str, part: str, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> None:
    """Compare names and shapes with those of a network.

    Raises:
        AnyviewError: `checkpoint_mismatch`, naming what is missing, unknown or misshapen.
    """
    faults = [f"{name} is missing" for name in sorted(wanted.keys() - given.keys())]
    faults += [f"{name} is unknown" for name in sorted(given.keys() - wanted.keys())]
    faults += [
        f"{name} is {tuple(given[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in given and given[name].shape != value.shape
    ]
    if faults:
        raise mismatch(path, part, faults)


def load_state(network: Network, state: Mapping[str, Tensor], source: str = "it") -> Network:
    """Return the network with the weights of `state`, ready for inference.

    The network may have been made on torch's `meta` device: what needs no cast is then shared with
    `state`, mapped files included. A `Matrix` needs none if it is stored in bfloat16.

    Raises:
        AnyviewError: `checkpoint_mismatch`.
    """
    wanted = network.state_dict()
    given = {name: value for name, value in state.items() if not UNUSED.fullmatch(name)}
    require_fit(source, type(network).__name__, given, wanted)
    modules = network.named_modules()
    matrices = {f"{name}.weight" for name, module in modules if isinstance(module, Matrix)}
    for name, value in wanted.items():
        if name not in matrices or given[name].dtype != torch.bfloat16:
            given[name] = given[name].to(value.dtype)
    network.load_state_dict(given, assign=True)
    return network.eval().requires_grad_(False)


def mismatch(path: Path | str, part: str, faults: Iterable[str]) -> AnyviewError:
    """Return every kind of fault; those of all blocks are one."""
    kinds: dict[str, list[str]] = {}
    for fault in faults:
        kinds.setdefault(re.sub(r"\.\d+\.", ".*.", fault), []).append(fault)
    shown = [f"{kind} ({len(of)} times)" if len(of) > 1 else of[0] for kind, of in kinds.items()]
    more = [f"and {len(kinds) - KINDS_SHOWN} more kinds"] if len(kinds) > KINDS_SHOWN else []
    return AnyviewError(
        "checkpoint_mismatch",
        f"{path} does not fit {part}: {'; '.join(shown[:KINDS_SHOWN] + more)}",
    )


def require_finite(path: Path, name: str, values: Tensor) -> None:
    """Raise `not_finite` where a tensor has infinite values or none at all."""
    if not torch.isfinite(torch.stack(values.aminmax())).all():  # a nan is both
        raise AnyviewError("not_finite", f"{path}: {name} has values that are no finite numbers")


def _require_mark(path: Path, file: ReleasedFile, names: Iterable[str]) -> None:
    found = [part for part in RELEASE if part.mark in names]
    if file in found:
        return
    if found:
        raise AnyviewError(
            "wrong_file",
            f"{file.option} {path}: it holds {found[0].holds}, to be given as {found[0].option}; "
            f"here {file.holds} is needed, published as {file.name}",
        )
    raise AnyviewError(
        "wrong_file",
        f"{file.option} {path}: {file.holds} of the AnyView release, published as {file.name}, has "
        f"'{file.mark}'; this file has not, but {', '.join(list(names)[:3])}",
    )


def _require_numbers(path: Path, state: Mapping[str, Any]) -> None:
    others = [name for name, value in state.items() if not isinstance(value, Tensor)]
    if others:
        raise AnyviewError(
            "invalid_checkpoint",
            f"{path}: {others[0]} must be a tensor, got {type(state[others[0]]).__name__}",
        )
    wrong = [(name, t.dtype) for name, t in state.items() if t.dtype not in FORMATS]
    if wrong:
        name, dtype = wrong[0]
        raise AnyviewError(
            "wrong_dtype",
            f"{path}: {name} is {str(dtype).removeprefix('torch.')}, weights must be bfloat16, "
            f"float16 or float32 ({len(wrong)} tensors are not)",
        )


def require_file(path: Path) -> None:
    """Raise `missing_file` where there is none."""
    if not path.is_file():
        raise AnyviewError(
            "missing_file", f"there is no file {path}; it comes from the AnyView release"
        )


def _read(path: Path) -> Mapping[Any, Any]:
    require_file(path)
    try:
        with path.open("rb") as stream:
            maps = stream.read(len(ZIP)) == ZIP  # torch maps its newer format only
        with torch.serialization.safe_globals([(ByteStream, "_io.BytesIO")]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=maps)
    except Exception as error:  # pickle, zip and torch raise what they like
        raise _refusal(path, str(error)) from None
    if not isinstance(content, Mapping):
        raise AnyviewError(
            "invalid_checkpoint", f"{path} must hold a dict, got {type(content).__name__}"
        )
    return content


def _refusal(path: Path, message: str) -> AnyviewError:
    """Return the reason in our words: torch's own text advises to load the file without
    protection."""
    if foreign := re.search(r"GLOBAL (\S+)|(?:function|class) (\S+)", message):
        return AnyviewError(
            "unsafe_checkpoint",
            f"{path} asks to call {foreign[1] or foreign[2]} while it is read; a checkpoint is "
            "numbers alone, so it is refused, and nothing of it was run",
        )
    lines = [line for line in message.splitlines() if line.strip() and "weights_only" not in line]
    return AnyviewError(
        "invalid_checkpoint",
        f"{path} cannot be read as a torch checkpoint, perhaps it is not whole "
        f"({path.stat().st_size} bytes): {lines[0].strip() if lines else 'no reason given'}",
    )
