"""Views made without a model: colours of the source, and its pixels moved by geometry."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from anyview_ros.evaluation.covisible import project_from_world
from anyview_ros.evaluation.task import Images, Task, Visibility
from anyview_ros.frames import Camera
from anyview_ros.geometry import inside, rays
from anyview_ros.imaging.resize import resize_image

COPY = "copy of the source"
MEAN_IMAGE = "training mean image"
MEAN_COLOUR = "mean colour of the source"
GROUND_WARP = "ground-plane warp"
DEPTH_WARP = "true-depth warp"
BASELINES = (COPY, MEAN_IMAGE, MEAN_COLOUR, GROUND_WARP, DEPTH_WARP)


def baselines(task: Task, mean_image: Images | None) -> dict[str, Images]:
    """Return (T, H, W, 3) by name. The true-depth warp is an oracle: it gets the true depth.

    Args:
        mean_image: (H, W, 3) of any size, the mean of the training clips; None leaves it out.
            The ground-plane warp is left out where the ground is unknown, the other one where
            the depth is.
    """
    shape = task.truth.shape
    colour = mean_colour(task)
    made: dict[str, Images] = {
        COPY: np.stack([resize_image(i, shape[1:3], "area") for i in task.source_images])
    }
    if mean_image is not None:
        made[MEAN_IMAGE] = np.broadcast_to(resize_image(mean_image, shape[1:3], "area"), shape)
    made[MEAN_COLOUR] = np.broadcast_to(colour, shape)
    if task.world is not None:
        made[GROUND_WARP] = ground_plane_warp(task)
    if task.visibility is not None:
        made[DEPTH_WARP] = true_depth_warp(task, task.visibility)
    return made


def mean_colour(task: Task) -> Images:
    """Return the mean colour (3,) of the source's whole clip."""
    mean = task.source_images.mean(axis=(0, 1, 2))
    return np.asarray(np.rint(mean), np.uint8)


def ground_plane_warp(task: Task) -> Images:
    """Return the source's pixels as if all they show lay on z = 0 of the fixed frame.

    Where a target pixel looks past the plane, or at a part that the source's frame of that
    instant does not show, it gets the source's mean colour.
    """
    camera, fill = task.target.camera, mean_colour(task)
    frames = np.empty_like(task.truth)
    for k, frame in enumerate(task.source):
        ground = ground_points(camera, task.target.world_from_cam[k])
        xy, _ = project_from_world(ground, frame.camera, frame.world_from_cam)
        frames[k] = _moved(frame.image, xy, inside(xy, frame.camera), fill)
    return frames


def ground_points(camera: Camera, world_from_cam: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (H, W, 3) points where each pixel's ray meets z = 0; nan if it does not."""
    direction = rays(camera) @ world_from_cam[:3, :3].T
    origin = world_from_cam[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = -origin[2] / direction[..., 2]
    distance = np.where((distance > 0) & np.isfinite(distance), distance, np.nan)
    met: NDArray[np.float64] = origin + distance[..., None] * direction
    return met


def true_depth_warp(task: Task, visibility: Visibility) -> Images:
    """Return the source's pixels moved by the true depth; mean colour where it does not show
    them."""
    fill = mean_colour(task)
    rows = zip(task.source_images, visibility.source_xy, visibility.covisible, strict=True)
    return np.stack([_moved(image, xy, seen, fill) for image, xy, seen in rows])


def _moved(
    image: Images, xy: NDArray[np.floating], shown: NDArray[np.bool_], fill: Images
) -> Images:
    """Return bilinear samples of (H, W, 3) at pixels (H', W', 2), `fill` where they are not
    shown."""
    places = np.where(shown[..., None], xy, -1.0).astype(np.float32)
    moved = cv2.remap(
        image, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.where(shown[..., None], moved, fill).astype(np.uint8)
