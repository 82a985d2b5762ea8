"""What outputs follow from, kept beside them: `--resume` goes on with the same work alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyview_ros.augment.stores import Place
from anyview_ros.errors import AnyviewError
from anyview_ros.whole_file import whole_file


def keep_identity(file: Place, identity: Mapping[str, Any]) -> None:
    """Write what outputs follow from, if nothing else was begun.

    Args:
        file: JSON in the folder of what was begun.

    Raises:
        AnyviewError: `resume_mismatch`.
    """
    wanted = json.loads(json.dumps(identity))
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        changed = sorted(k for k in {*before, *wanted} if before.get(k) != wanted.get(k))
        if changed:
            raise AnyviewError(
                "resume_mismatch",
                f"what was begun in '{file.parent}' is not what is asked for now: "
                f"{', '.join(changed)} changed; ask for the same, or give another OUT",
            )
    text = json.dumps(wanted, indent=1) + "\n"
    if not isinstance(file, Path):
        file.write_text(text)
        return
    with whole_file(file) as partial:
        partial.write_text(text, encoding="utf-8")
