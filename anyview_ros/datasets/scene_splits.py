"""Make a folder of converted scenes a benchmark root: `anyview bench DIR` runs on it."""

from __future__ import annotations

import json
from typing import Any

from anyview_ros.datasets.scene_set import SceneFolders
from anyview_ros.errors import AnyviewError
from anyview_ros.typed_json import read_object
from anyview_ros.whole_file import whole_file


def list_scenes(folders: SceneFolders) -> None:
    """Enter the scenes that are there as the split of their prefix; other splits stay.

    Raises:
        AnyviewError: `invalid_benchmark` when there is a split file that cannot be read.
    """
    episodes = [folder.name for folder in folders.written()]
    if not episodes:
        return
    split_file = folders.out / SPLITS
    root: dict[str, Any] = {"splits": {}}
    if split_file.exists():
        try:
            root = read_object(split_file)
            root["splits"] = dict(root["splits"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AnyviewError(
                "invalid_benchmark",
                f"{split_file} is no split file ({error!r}); the scenes are written, but not "
                "entered there",
            ) from None
    root["splits"][folders.prefix] = {"episodes": episodes, "dir": "."}
    with whole_file(split_file) as partial:
        partial.write_text(json.dumps(root, indent=1))


SPLITS = "splits.json"
