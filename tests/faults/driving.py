"""A robot in the test's own process that drives on, at the pace of the wall, for the laboratory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from anyview_ros.chaos.lab import Lab, LabPlan, laboratory
from tests.graph import graph
from tests.node.rig import PERIOD_NS, START_NS, Rig

TOPICS = ("/front/image_raw", "/left/image_raw")


@contextmanager
def driving(domain: int, cameras: Sequence[str]) -> Iterator[None]:
    """Publish a moment of every camera ten times a second, with its TF and /clock before it."""
    with graph(domain) as opened:
        rig, stopped = Rig(opened, cameras), threading.Event()

        def drive() -> None:
            stamp_ns = 100 * START_NS  # there is room for a jump back
            while not stopped.wait(PERIOD_NS / 1e9):
                rig.tick(stamp_ns)
                rig.send([stamp_ns])
                stamp_ns += PERIOD_NS

        thread = threading.Thread(target=drive)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()


@contextmanager
def disturbed(domain: int, model: Path, out: Path) -> Iterator[Lab]:
    """Yield a laboratory about that robot, as `anyview chaos --topics` makes it."""
    plan = LabPlan(out=out, model=str(model), domain=domain, topics=TOPICS)
    with driving(domain, ("front", "left")), laboratory(plan, print) as lab:
        yield lab
