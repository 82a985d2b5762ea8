"""A six-axis robot arm with a gripper: where its links are, and what they look like.

The base stands at the origin of the fixed frame. The arm's plane is vertical and turns about z;
within it the elbow is above the line from shoulder to wrist. The hand's frame: z points where the
gripper points, the fingers close along y, the origin is at the flange.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from anyview_ros.geometry import rigid
from anyview_ros.worlds.palettes import ARM_JOINTS, ARM_SHELLS, DARK_STEEL, RUBBER_BLACK, pick
from anyview_ros.worlds.placing import placed
from anyview_ros.worlds.render.scene import (
    CYLINDER,
    Finish,
    Rows,
    bounding_groups,
    box,
    primitive,
    rod,
)

Floats = NDArray[np.float64]

WRIST, GRIP = 0.05, 0.105  # metres from the wrist's axis to the flange, from there to the grip
FINGER = 0.008  # half of a finger's thickness
SIDEWAYS = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # z axis along y


@dataclass(frozen=True)
class HandPose:
    """Where the gripper is: the grip point in cylinder coordinates around the base.

    Args:
        turn: radians about z, 0 along x.
        reach, height: metres from the base's axis and above the table.
        tilt: radians outwards, 0 = pointing straight down.
        roll: radians about the hand's own axis.
        opening: metres between the fingers.
    """

    turn: float
    reach: float
    height: float
    tilt: float
    roll: float
    opening: float


@dataclass(frozen=True)
class ArmShape:
    """Metres: height of the shoulder, length of upper arm and forearm, thickness of the links."""

    shoulder: float
    upper: float
    fore: float
    thickness: float


@dataclass(frozen=True)
class Joints:
    """Points of the arm's plane, (radius, height): shoulder, elbow, wrist."""

    shoulder: Floats
    elbow: Floats
    wrist: Floats


def solved(shape: ArmShape, pose: HandPose) -> Joints:
    """Two-link inverse kinematics of the wrist; whoever plans the pose keeps it within reach."""
    shoulder = np.array([0.0, shape.shoulder])
    back = (WRIST + GRIP) * np.array([-np.sin(pose.tilt), np.cos(pose.tilt)])
    offset = np.array([pose.reach, pose.height]) + back - shoulder
    distance = np.linalg.norm(offset)
    assert abs(shape.upper - shape.fore) < distance < shape.upper + shape.fore, "out of reach"
    along = (shape.upper**2 - shape.fore**2 + distance**2) / (2 * distance)
    above = np.sqrt(shape.upper**2 - along**2)
    ahead = offset / distance
    elbow = shoulder + along * ahead + above * np.array([-ahead[1], ahead[0]])
    return Joints(shoulder, elbow, shoulder + offset)


def world_from_hand(pose: HandPose) -> Floats:
    """(4, 4)."""
    s, c = np.sin(pose.tilt), np.cos(pose.tilt)
    plane_from_hand = np.array([[c, 0, s], [0, -1, 0], [s, 0, -c]]) @ _about_z(pose.roll)
    grip = np.array([pose.reach, 0.0, pose.height])
    flange = grip - GRIP * plane_from_hand[:, 2]
    turned: Floats = rigid(_about_z(pose.turn), (0, 0, 0)) @ rigid(plane_from_hand, flange)
    return turned


class Arm:
    """Looks of one arm; `rows_at` poses it."""

    def __init__(self, rng: Generator) -> None:
        low, high = (0.28, 0.36, 0.34, 0.036), (0.34, 0.4, 0.38, 0.05)
        self.shape = ArmShape(*rng.uniform(low, high))
        shell = Finish(pick(rng, ARM_SHELLS), gloss=rng.uniform(0.1, 0.6))
        joint = Finish(pick(rng, ARM_JOINTS), gloss=0.3)
        boxy = bool(rng.random() < 0.35)
        # Upper arm and forearm lie beside each other, as on many arms, so that they fold.
        self._beside = rng.uniform(0.6, 1.1) * self.shape.thickness
        self._base = _base(self.shape, shell, joint)
        self._shoulder = _axle(1.25 * self.shape.thickness, self._beside, joint)
        self._upper = _link(self.shape.upper, self.shape.thickness, boxy, shell, joint)
        self._elbow = _axle(1.1 * self.shape.thickness, self._beside, joint)
        self._fore = _link(self.shape.fore, 0.8 * self.shape.thickness, boxy, shell, joint)
        self._wrist = _axle(0.9 * self.shape.thickness, self._beside, joint)
        self._hand = _hand(shell, joint, 0.7 * self.shape.thickness)

    def rows_at(self, pose: HandPose) -> tuple[Rows, Rows]:
        """(rows, groups) of the whole arm."""
        joints = solved(self.shape, pose)
        turn = _about_z(pose.turn)
        parts = [
            self._base,
            placed(self._shoulder, _at(turn, joints.shoulder)),
            placed(self._upper, _between(turn, joints.shoulder, joints.elbow, self._beside)),
            placed(self._elbow, _at(turn, joints.elbow)),
            placed(self._fore, _between(turn, joints.elbow, joints.wrist, -self._beside)),
            placed(self._wrist, _at(turn, joints.wrist)),
            placed(self._hand, world_from_hand(pose)),
            placed(_fingers(pose.opening), world_from_hand(pose)),
        ]
        rows = np.concatenate(parts)
        sizes = [len(part) for part in parts]
        return rows, bounding_groups(
            rows, [sizes[0], sum(sizes[1:3]), sum(sizes[3:5]), sum(sizes[5:])]
        )


def _about_z(angle: float) -> Floats:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _at(turn: Floats, point: Floats) -> Floats:
    """A frame in the arm's plane, y across it."""
    return rigid(turn, turn @ [point[0], 0.0, point[1]])


def _between(turn: Floats, start: Floats, end: Floats, beside: float) -> Floats:
    """The frame of a link: origin at `start`, z towards `end`, y across the arm's plane."""
    x, z = (end - start) / np.linalg.norm(end - start)
    link = np.array([[z, 0.0, x], [0.0, 1.0, 0.0], [-x, 0.0, z]])
    return rigid(turn @ link, turn @ [start[0], beside, start[1]])


def _base(shape: ArmShape, shell: Finish, joint: Finish) -> Rows:
    wide = 1.25 * shape.thickness
    return np.stack(
        [
            rod((0, 0, 0), (0, 0, 0.03), 1.7 * wide, joint),
            rod((0, 0, 0.03), (0, 0, shape.shoulder - wide), wide, shell),
            rod((0, 0, shape.shoulder - 1.4 * wide), (0, 0, shape.shoulder), 1.15 * wide, joint),
        ]
    )


def _axle(radius: float, half: float, finish: Finish) -> Rows:
    """A joint's housing: a cylinder across the arm's plane."""
    size = (radius, radius, half + radius)
    return primitive(CYLINDER, (0.0, 0.0, 0.0), size, finish, SIDEWAYS)[None]


def _link(length: float, radius: float, boxy: bool, shell: Finish, ring: Finish) -> Rows:
    if boxy:
        body = box((0, 0, 0.5 * length), (radius, 0.8 * radius, 0.5 * length), shell)
    else:
        body = rod((0, 0, 0), (0, 0, length), radius, shell)
    collar = rod((0, 0, 0.78 * length), (0, 0, 0.84 * length), 1.08 * radius, ring)
    return np.stack([body, collar])


def _hand(shell: Finish, joint: Finish, radius: float) -> Rows:
    """Flange, palm, and the wrist camera's housing at +x."""
    dark = Finish(RUBBER_BLACK, gloss=0.2)
    return np.stack(
        [
            rod((0, 0, -WRIST), (0, 0, 0.0), radius, joint),
            box((0, 0, 0.02), (0.026, 0.055, 0.02), shell),
            box((0.055, 0, 0.0), (0.013, 0.03, 0.01), dark),
        ]
    )


def _fingers(opening: float) -> Rows:
    dark, pad = Finish(DARK_STEEL, gloss=0.3), Finish(RUBBER_BLACK)
    rows = []
    for side in (-1.0, 1.0):
        y = side * (0.5 * opening + FINGER)
        rows.append(box((0, y, 0.07), (0.011, FINGER, 0.034), dark))
        rows.append(box((0, y, GRIP), (0.011, FINGER, 0.014), pad))
    return np.stack(rows)
