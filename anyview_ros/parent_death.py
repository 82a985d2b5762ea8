"""Processes that end with the one that began them, even where that is killed."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.process import BaseProcess


def end_with_parent() -> None:
    """End this process, of a pool or of `multiprocessing`, when the one that began it ends.

    A parent that is killed ends nobody: workers would wait for work for ever, or go on with what
    nobody takes. A process that was begun in another way is left alone.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), name="parent", daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
