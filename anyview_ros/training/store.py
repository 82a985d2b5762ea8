"""Rendered scenes on disk: shards in a cache folder, made by processes while others read."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.parent_death import end_with_parent
from anyview_ros.training.config import MONOCULAR, Run
from anyview_ros.training.files import FileConfig, FileStore
from anyview_ros.training.scenes import SceneConfig, SceneSet, SceneViews, render_scene
from anyview_ros.whole_file import full_disk_named, remove_partial_files, whole_file
from anyview_ros.worlds.photographs import read_photographs

SHARD = 16  # scenes a file
POLL_S = 0.1
RENDERER = "renderer"  # how the names of processes that render begin
DEFAULTS = {f.name: f.default for f in fields(SceneConfig) if f.default is not MISSING}


class Store(SceneSet, Protocol):
    """A set of scenes of which some may still be missing."""

    @property
    def folder(self) -> Path: ...

    @property
    def cache(self) -> Path:
        """Return the folder of the run's cache, the same for all its sets."""
        ...

    @property
    def shards(self) -> int:
        """Return how many shards there are to render."""
        ...

    def has(self, scenes: int) -> bool:
        """Return whether the first `scenes` scenes are there."""
        ...


@dataclass(frozen=True)
class _Shard:
    """The arrays of a shard, one row a scene; all but the views are read from disk when used."""

    images: NDArray[np.uint8]
    inverse_depth: NDArray[np.float16] | None
    views: dict[str, NDArray[np.float64]]


class SceneStore:
    """Scenes of a config in a cache folder, in shards of 16.

    A shard is an array of images, and beside it the cameras, poses and stamps, and the inverse
    depths where the config asks for them. The images are renamed into place last: a shard that is
    there is complete.

    Args:
        config: what to render.
        cache: folder; each config has its own below it, and each content of its photographs.

    Raises:
        AnyviewError: as `read_photographs`.
    """

    def __init__(self, config: SceneConfig, cache: Path) -> None:
        # The number of scenes and the scale of moments change no pixel, so a cache can grow.
        # What is left at its default is not named either: older caches go on.
        named = {k: v for k, v in asdict(config).items() if k not in ("count", "scene_scale")}
        named = {k: v for k, v in named.items() if k not in DEFAULTS or v != DEFAULTS[k]}
        if config.photographs:
            named["pictures"] = read_photographs(config.photographs_from).digest
        digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:12]
        self.config = config
        self.cache = cache
        self.folder = cache / f"{config.world}-{digest}"
        self._open: dict[int, _Shard] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return all but what is open: a mapped array would travel as a copy of its file."""
        return {**self.__dict__, "_open": {}}

    @property
    def shards(self) -> int:
        return -(-self.config.count // SHARD)

    def has(self, scenes: int) -> bool:
        """Return whether the first `scenes` scenes are rendered."""
        return all(self.has_shard(s) for s in range(-(-scenes // SHARD)))

    def has_shard(self, shard: int) -> bool:
        return self._images(shard).exists()

    def __getitem__(self, index: int) -> SceneViews:
        shard, row = divmod(index, SHARD)
        if shard not in self._open:
            images = np.load(self._images(shard), mmap_mode="r")
            depth = self.config.depth
            inverse_depth = np.load(self._depths(shard), mmap_mode="r") if depth else None
            with np.load(self._views(shard)) as views:
                self._open[shard] = _Shard(images, inverse_depth, dict(views))
        opened = self._open[shard]
        height, width = self.config.size
        intrinsics = opened.views["intrinsics"][row]
        return SceneViews(
            opened.images[row],
            tuple(Camera(width, height, *k) for k in intrinsics.tolist()),
            opened.views["world_from_cam"][row],
            opened.views["stamps_ns"][row],
            None if opened.inverse_depth is None else opened.inverse_depth[row],
        )

    def render_shard(self, shard: int) -> None:
        """Render one shard, unless it is there."""
        if self.has_shard(shard):
            return
        first = self.config.first_seed + shard * SHARD
        scenes = [render_scene(self.config, first + i) for i in range(SHARD)]
        depths = [s.inverse_depth for s in scenes if s.inverse_depth is not None]
        intrinsics = [[(c.fx, c.fy, c.cx, c.cy) for c in s.cameras] for s in scenes]
        with whole_file(self._views(shard), shared=True) as file:
            np.savez(
                file,
                intrinsics=np.array(intrinsics),
                world_from_cam=np.stack([s.world_from_cam for s in scenes]),
                stamps_ns=np.stack([s.stamps_ns for s in scenes]),
            )
        if depths:
            with whole_file(self._depths(shard), shared=True) as file:
                np.save(file, np.stack(depths))
        with whole_file(self._images(shard), shared=True) as file:
            np.save(file, np.stack([s.images for s in scenes]))

    def _images(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.images.npy"

    def _depths(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.inverse_depth.npy"

    def _views(self, shard: int) -> Path:
        return self.folder / f"{shard:05d}.views.npz"


def open_stores(run: Run, cache: Path) -> dict[str, Store]:
    """Open the sets of scenes of a run by name: rendered ones in the cache, others from their
    files.

    Raises:
        AnyviewError: as `FileStore` and `SceneStore`; `too_few_views` when scenes of one camera
            are to be more than monocular.
    """
    stores: dict[str, Store] = {
        name: FileStore(scenes, cache, run.RESIZING)
        if isinstance(scenes, FileConfig)
        else SceneStore(scenes, cache)
        for name, scenes in run.scenes.items()
    }
    for name in {name for stage in run.stages for name in stage.mixture} & stores.keys():
        if stores[name].config.views < 2:
            raise AnyviewError(
                "too_few_views",
                f"[scenes.{name}] has scenes of one camera below {stores[name].folder}, which can "
                f"only be mixed in as '{name}{MONOCULAR}'",
            )
    return stores


@contextmanager
def renderers(stores: Mapping[str, Store], workers: int) -> Iterator[None]:
    """Render missing shards in processes, the first of every set first, while the body runs.

    They yield to everything else on the machine and end with the body; what is complete stays.
    """
    missing = [
        (store.config, store.cache, shard)
        for shard in range(max(store.shards for store in stores.values()))
        for store in stores.values()
        if isinstance(store, SceneStore) and shard < store.shards and not store.has_shard(shard)
    ]
    context = multiprocessing.get_context("spawn")
    running = [
        context.Process(target=_render, args=(missing[i::workers],), name=f"{RENDERER} {i}")
        for i in range(min(workers, len(missing)))
    ]
    for process in running:
        process.start()
    try:
        yield
    finally:
        for process in running:
            process.terminate()
            process.join()
            for store in stores.values():
                if process.pid is not None and isinstance(store, SceneStore):
                    remove_partial_files(store.folder, process.pid)


def wait_for(
    stores: Mapping[str, Store],
    run: Run,
    step: int,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Wait until the scenes of a step are rendered; False when stopped before.

    Step 0 needs the scenes of all sets that the codec is made from. Of several processes the first
    has the renderers.

    Raises:
        AnyviewError: `not_rendered` when they are missing and no renderer runs.
    """
    # Here, because it loads torch: a renderer is a process that imports this module.
    from anyview_ros.training.distributed import rank_and_processes

    training, first = run.training, rank_and_processes()[0] == 0
    names = {name.removesuffix(MONOCULAR) for name in run.stage(step).mixture}
    needed = {n: training.pool(step, stores[n].config.count) for n in names}
    if step == 0:
        needed = {n: max(needed.get(n, 0), training.codec_scenes) for n in stores}
    for name, scenes in needed.items():
        store = stores[name]
        while not store.has(scenes):
            if stopped():
                return False
            if first and not _is_rendering() and not store.has(scenes):
                raise AnyviewError(
                    "not_rendered",
                    f"need {scenes} scenes in {store.folder}, and no renderer is running; "
                    "ask for --renderers 1 or more, and see above why one ended",
                )
            time.sleep(POLL_S)
    return True


def _is_rendering() -> bool:
    """Return whether a renderer runs; other processes of this one draw batches."""
    return any(each.name.startswith(RENDERER) for each in multiprocessing.active_children())


def default_cache() -> Path:
    """Return the folder of rendered scenes, below the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "anyview" / "scenes"


def _render(shards: list[tuple[SceneConfig, Path, int]]) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    os.nice(5)
    numba.config.NUMBA_NUM_THREADS = 1  # type: ignore[attr-defined]  # there is a process for each core that is wanted
    for config, cache, shard in shards:
        store = SceneStore(config, cache)
        try:
            with full_disk_named(store.folder):
                store.render_shard(shard)
        except AnyviewError as error:  # whoever waits for the scenes points here
            sys.exit(f"error [{error.code}]: {error}")
