"""A subscriber that may be killed: `python -m anyview_ros.chaos.listener TOPIC` hears images."""

from __future__ import annotations

import sys
import threading

from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from anyview_ros.demo.session import Session

HEARD = "heard"
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


def main() -> None:
    """Say once that an image came, and go on listening until the process ends."""
    came = threading.Event()
    with Session("listener") as session:
        session.node.create_subscription(Image, sys.argv[1], lambda image: came.set(), RELIABLE)
        came.wait()
        print(HEARD, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
