"""CPU milliseconds that one 1080p image costs its publisher, split by step.

    python -m benchmarks.publish_1080p [--frames 100] [--profile config/fastdds.xml]

Measures this process only (all its threads, Fast DDS's among them); the subscriber is another
process. Ours is `image_message`; `publish` with nobody listening is rclpy's conversion to C, and
what a subscriber adds to it is serialization and transport by Fast DDS.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
SIZE = (1080, 1920, 3)
PERIOD_S = 1 / 30
DEADLINE_S = 20.0
SUBSCRIBER = """
import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("publish_1080p_subscriber")
node.create_subscription(Image, "publish_1080p", lambda image: None, QoSProfile(depth=10))
rclpy.spin(node)
"""


def main() -> None:
    arguments = _arguments()
    os.environ["ROS_DOMAIN_ID"] = str(arguments.domain)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    if arguments.profile:  # before rclpy is imported; the names of Fast DDS 2 and 3
        os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(arguments.profile.resolve())
        os.environ["FASTDDS_DEFAULT_PROFILES_FILE"] = str(arguments.profile.resolve())
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{arguments.frames} frames of 1920x1080 rgb8, 30 Hz, reliable, depth 10")
    print(f"{'step':<44} {'CPU ms a frame':>14}")
    for step, cpu_ms in _measure(arguments.frames):
        print(f"{step:<44} {cpu_ms:>14.2f}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=100, help="frames a step (100)")
    parser.add_argument("--profile", type=Path, help="profile of Fast DDS, for both processes")
    parser.add_argument("--domain", type=int, default=39, help="ROS_DOMAIN_ID (39)")
    return parser.parse_args()


def _measure(frames: int) -> Iterator[tuple[str, float]]:
    import numpy as np
    import rclpy
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import Image

    from anyview_ros.node.messages import image_message

    rgb = np.random.default_rng(0).integers(0, 256, SIZE, np.uint8)
    message = image_message(rgb, 1, "camera")
    yield "image_message", _cpu_ms(lambda: image_message(rgb, 1, "camera"), frames)

    rclpy.init()
    node = rclpy.create_node("publish_1080p")
    publisher = node.create_publisher(Image, "publish_1080p", QoSProfile(depth=10))
    yield "publish, nobody listens", _cpu_ms(lambda: publisher.publish(message), frames)
    with _subscriber(publisher):
        yield (
            "publish, a subscriber in another process",
            _cpu_ms(lambda: publisher.publish(message), frames),
        )
        yield (
            "image_message + publish, the same",
            _cpu_ms(lambda: publisher.publish(image_message(rgb, 1, "camera")), frames),
        )
    node.destroy_node()
    rclpy.shutdown()


def _cpu_ms(step: Callable[[], Any], frames: int) -> float:
    """Mean CPU milliseconds of this process for one call, at the rate of a camera."""
    step()
    before = time.process_time()
    for _ in range(frames):
        started = time.monotonic()
        step()
        time.sleep(max(0.0, PERIOD_S - (time.monotonic() - started)))
    return (time.process_time() - before) / frames * 1e3


@contextmanager
def _subscriber(publisher: Any) -> Iterator[None]:
    """Another process that receives, from its discovery on."""
    process = subprocess.Popen([sys.executable, "-c", SUBSCRIBER], cwd=CHECKOUT)
    try:
        deadline = time.monotonic() + DEADLINE_S
        while not publisher.get_subscription_count():
            if time.monotonic() > deadline:
                raise SystemExit("the subscriber was not discovered")
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
