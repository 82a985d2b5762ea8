"""Make a folder of converted scenes a benchmark root: `anyview bench DIR` runs on it."""

from __future__ import annotations

import json
from typing import Any

from anyview_ros.datasets.scene_layout import METADATA
from anyview_ros.datasets.scene_set import SceneFolders
from anyview_ros.errors import AnyviewError


def list_scenes(folders: SceneFolders) -> None:
    """Enter the scenes that are there as the split of their prefix; other splits stay.

    Raises:
        AnyviewError: `invalid_benchmark` when there is a split file that cannot be read.
    """
    files = sorted(folders.out.glob(f"{folders.prefix}-*/{METADATA}"))
    if not files:
        return
    episodes = [file.parent.name for file in files]
    split_file = folders.out / SPLITS
    root: dict[str, Any] = {"splits": {}}
    if split_file.exists():
        try:
            root = json.loads(split_file.read_text())
            root["splits"] = dict(root["splits"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AnyviewError(
                "invalid_benchmark",
                f"{split_file} is no split file ({error!r}); the scenes are written, but not "
                "entered there",
            ) from None
    root["splits"][folders.prefix] = {"episodes": episodes, "dir": "."}
    partial = split_file.with_suffix(".part")
    partial.write_text(json.dumps(root, indent=1))
    partial.rename(split_file)


SPLITS = "splits.json"
