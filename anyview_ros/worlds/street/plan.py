"""What is chosen once for a street: its cross-section, its weather, how the ego car drives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from anyview_ros.worlds.render import scene
from anyview_ros.worlds.render.scene import Rows

VIEW = 170.0  # metres ahead and behind that are built; all is haze from there on
PARKING_WIDTH = 2.2


@dataclass(frozen=True)
class StreetPlan:
    """Lengths in metres. Traffic keeps to the right: lanes with y < 0 drive along +x.

    Args:
        lanes: of both directions together, 2 or 4.
        road_half: from the middle to the kerb, parking included.
        block: distance between side streets; `side_half` is half of a side street's width.
        ego_lane: y of the ego car's lane.
        suburban: low houses apart from each other, with gardens.
        environment: row for the renderer.
    """

    lanes: int
    lane_width: float
    parking: bool
    road_half: float
    sidewalk: float
    block: float
    side_half: float
    ego_lane: float
    signals: bool
    suburban: bool
    environment: Rows

    @property
    def front(self) -> float:
        """|y| of the building line."""
        return self.road_half + self.sidewalk

    def lane_centers(self) -> list[float]:
        """y of every lane, from the right to the left."""
        return [(k + 0.5 - 0.5 * self.lanes) * self.lane_width for k in range(self.lanes)]


def street_plan(rng: Generator) -> StreetPlan:
    lanes = int(rng.choice([2, 2, 4]))
    lane_width = float(rng.uniform(2.9, 3.5))
    parking = bool(rng.random() < 0.6)
    road_half = 0.5 * lanes * lane_width + (PARKING_WIDTH if parking else 0.3)
    sidewalk, block = float(rng.uniform(2.4, 4.2)), float(rng.uniform(48.0, 90.0))
    side_half = float(rng.uniform(3.4, 5.2))
    right_lane = int(rng.integers(lanes // 2))
    environment = _weather(rng)
    environment[scene.LANE_WIDTH], environment[scene.LANES] = lane_width, lanes
    environment[scene.ROAD_HALF], environment[scene.SIDEWALK] = road_half, sidewalk
    environment[scene.BLOCK], environment[scene.SIDE_HALF] = block, side_half
    environment[scene.YELLOW_LINE] = lanes == 4 or rng.random() < 0.4
    environment[scene.PARKING] = parking
    return StreetPlan(
        lanes,
        lane_width,
        parking,
        road_half,
        sidewalk,
        block,
        side_half,
        (right_lane + 0.5 - 0.5 * lanes) * lane_width,
        bool(rng.random() < 0.6),
        bool(lanes == 2 and rng.random() < 0.5),
        environment,
    )


def _weather(rng: Generator) -> Rows:
    """Sun, sky and ground colours: clear or clouded, one in six a low sun, three in ten grey."""
    e = np.zeros(scene.ENVIRONMENT_COLUMNS, np.float32)
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.15)
    if rng.random() < 0.17:
        elevation = rng.uniform(0.26, 0.4)  # lower, shadows would reach from block to block
    flat = np.cos(elevation)
    e[scene.SUN : scene.SUN + 3] = (
        np.cos(azimuth) * flat,
        np.sin(azimuth) * flat,
        np.sin(elevation),
    )
    warmth = (1.15 - elevation) / 0.75
    sunlight = np.array([1.0, 0.95 - 0.1 * warmth, 0.88 - 0.26 * warmth]) * rng.uniform(1.0, 1.5)
    zenith = np.array([0.2, 0.36, 0.68]) * rng.uniform(0.7, 1.1)
    horizon = np.array([0.7, 0.77, 0.84]) * rng.uniform(0.8, 1.0)
    clouds, exposure = rng.uniform(0.1, 0.9), rng.uniform(1.0, 1.3)
    if rng.random() < 0.3:
        grey = rng.uniform(0.5, 0.75)
        zenith, horizon = np.full(3, 0.85 * grey), np.array([0.98, 1.0, 1.02]) * grey
        sunlight, clouds, exposure = sunlight * 0.3, 0.4, 1.5 * exposure
    e[scene.SUNLIGHT : scene.SUNLIGHT + 3] = sunlight
    e[scene.ZENITH : scene.ZENITH + 3], e[scene.HORIZON : scene.HORIZON + 3] = zenith, horizon
    e[scene.FOG], e[scene.HAZE_RANGE] = (
        rng.choice([0.0008, 0.0015, 0.004, 0.009]),
        rng.uniform(98, 112),
    )
    e[scene.AMBIENT], e[scene.CLOUDS] = rng.uniform(0.6, 0.85), clouds
    e[scene.OCCLUSION] = 1.2
    e[scene.EXPOSURE], e[scene.TEXTURE_SEED] = exposure, rng.integers(1, 9999)
    e[scene.ASPHALT : scene.ASPHALT + 3] = np.array([1.0, 1.0, 1.03]) * rng.uniform(0.07, 0.16)
    e[scene.PAVING : scene.PAVING + 3] = np.array([1.0, 0.96, 0.9]) * rng.uniform(0.22, 0.42)
    e[scene.GRASS : scene.GRASS + 3] = np.array([0.11, 0.19, 0.06]) * rng.uniform(0.7, 1.2)
    return e
