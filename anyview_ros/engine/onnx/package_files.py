"""The files of a package as they run: each read once, and what was hashed is what is used."""

from __future__ import annotations

import hashlib
import mmap
import os
import posixpath
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyview_ros.engine.onnx.external_data import UnreadableGraphError, external_tensors
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import ModelPackage, check_hash, file_inside

COPIED_BYTES = 1 << 30  # of a file that is held in memory; a larger one is mapped
CHUNK = 1 << 24

Content = NDArray[np.uint8]


@dataclass(frozen=True)
class Weights:
    """Numbers of a graph that lie in another file.

    Args:
        kind: TensorProto.DataType.
    """

    array: NDArray[np.generic]
    kind: int


@dataclass(frozen=True)
class GraphContent:
    """An ONNX graph in memory.

    Args:
        name: of its file, for errors.
        model: ModelProto.
        weights: its initializers that lie in other files, by name.
    """

    name: str
    model: bytes
    weights: dict[str, Weights]


class PackageFiles:
    """Reads what runs of a package, each file once, and checks its sha256 while it is read.

    A file of up to COPIED_BYTES is held in memory: whoever changes it on the disk afterwards
    changes nothing that runs. A larger one is mapped, since memory may not hold it twice;
    `check_unchanged` refuses it if it was written, or another one was put in its place, until then.
    That does not see who sets back the clock, or writes to the disk beneath the file system.
    """

    def __init__(self, package: ModelPackage) -> None:
        self._package = package
        self._contents: dict[str, Content] = {}
        self._read_as: dict[str, os.stat_result] = {}  # what each file was when it was read
        self._seen: dict[Path, os.stat_result] = {}  # of those that may not change

    def read(self, name: str) -> Content:
        """Return the content of a file that the manifest lists.

        Raises:
            AnyviewError: `invalid_model` for one that it does not list, else `model_damaged`.
        """
        if name not in self._contents:
            self._contents[name] = self._read(name)
        return self._contents[name]

    def graph(self, name: str) -> GraphContent:
        """Return a graph with its weights.

        Raises:
            AnyviewError: those of `read`; `invalid_model` if it is none.
        """
        file = f"{name}.onnx"
        model = self.read(file)
        try:
            tensors = external_tensors(model.data)
            weights = {
                tensor.name: Weights(
                    tensor.array(self._weights(file, tensor.location)), tensor.kind
                )
                for tensor in tensors
            }
        except UnreadableGraphError as error:
            raise AnyviewError("invalid_model", f"{self._package.path / file}: {error}") from None
        return GraphContent(file, model.tobytes(), weights)

    def check_unchanged(self) -> None:
        """Check that no mapped file was changed since it was read.

        Raises:
            AnyviewError: `model_damaged`.
        """
        for file, seen in self._seen.items():
            if _identity(file.stat()) != _identity(seen):
                raise AnyviewError(
                    "model_damaged",
                    f"'{file}' was changed while it was loaded; install the package again",
                )

    def follow(self, name: str) -> Path:
        """Return the path of a checked file for a reader of its own, as a mapped one."""
        file = file_inside(self._package.path, name)
        self.read(name)
        self._seen[file] = self._read_as[name]
        return file

    def _weights(self, graph: str, location: str) -> Content:
        name = posixpath.normpath(location)
        if name not in self._package.contract.files:
            raise UnreadableGraphError(
                f"has weights in '{location}', which is not among the files of the manifest"
            )
        return self.read(name)

    def _read(self, name: str) -> Content:
        package = self._package
        if name not in package.contract.files:
            raise AnyviewError(
                "invalid_model", f"{package.path}: '{name}' is not among the files of the manifest"
            )
        file = file_inside(package.path, name)
        with file.open("rb", buffering=0) as stream:
            seen = self._read_as[name] = os.fstat(stream.fileno())
            content = np.empty(0, np.uint8)
            if seen.st_size > COPIED_BYTES:
                self._seen[file] = seen
                mapped = mmap.mmap(stream.fileno(), seen.st_size, prot=mmap.PROT_READ)
                content = np.frombuffer(mapped, np.uint8)
            elif seen.st_size:
                content = np.empty(seen.st_size, np.uint8)
            digest, at, view = hashlib.sha256(), 0, content.data
            while at < len(content):
                part = view[at : at + CHUNK]
                if file not in self._seen:
                    part = part[: stream.readinto(part)]
                if not part:
                    break  # it was cut meanwhile: the hash is another one
                digest.update(part)
                at += len(part)
        check_hash(package, name, digest.hexdigest())
        return content


def _identity(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
