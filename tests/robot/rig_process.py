"""A robot with one camera as a process of its own, for tests that receive its images.

`python -m tests.robot.rig_process STAMP_NS...` says "ready" once its static transforms are out,
waits for a subscriber, publishes one frame for each stamp, says "sent", and stays until its
input ends. The domain is that of the environment.
"""

from __future__ import annotations

import os
import sys
import threading

from tests.graph import graph
from tests.robot.rig import Rig

PACE_S = 0.02


def main() -> None:
    stamps = [int(word) for word in sys.argv[1:]]
    with graph(int(os.environ["ROS_DOMAIN_ID"])) as opened:
        rig = Rig(opened)
        print("ready", flush=True)
        rig.wait_for_node()
        clock = threading.Event()
        for stamp_ns in stamps:
            rig.send([stamp_ns])
            clock.wait(PACE_S)
        print("sent", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
