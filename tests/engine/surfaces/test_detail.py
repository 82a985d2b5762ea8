"""Detail copied from sources against a wall that is seen ray by ray, and its laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.contract import LatentShape
from anyview_ros.engine.surfaces.choice import Choice
from anyview_ros.engine.surfaces.colours import shrunk
from anyview_ros.engine.surfaces.detail import SourceDetail, depth_of, with_detail
from anyview_ros.engine.surfaces.plane_scorer import ages_s
from anyview_ros.frames import Camera, Clip, Frame
from anyview_ros.packages import DEFAULT_MODEL, find_package, load_package
from tests.engine.surfaces.walls import frame_at, looking_ahead, sees_wall, texture

WALL = texture(3, finest=2.5)
WALL_M = 5.0
SMALL = Camera(24, 16, 20.0, 20.0, 11.5, 7.5)
LARGE = SMALL.resized(192, 128)
SOURCE = LARGE.resized(240, 160)
TARGET = looking_ahead(0.0, 0.3, 0.2)
GREY = np.full((16, 24, 3), 128, np.uint8)


def choice(
    inverse_depth: float = 1 / WALL_M, share: float = 1.0, evidence: float = 1.0, owner: int = 0
) -> Choice:
    """One surface everywhere."""
    size = SMALL.height, SMALL.width
    values = [np.full(size, value, np.float32) for value in (inverse_depth, share, evidence)]
    return Choice(*values, np.full(size, owner, np.int32))


def source(camera: Camera = SOURCE, y: float = 0.0) -> Frame:
    return frame_at(camera, looking_ahead(0.0, y), WALL, WALL_M)


def apart(found: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    """Mean difference where the source looks too."""
    inside = slice(20, -20), slice(20, -20)
    return float(np.abs(found[inside].astype(float) - wanted[inside]).mean())


def test_a_surface_shows_what_the_target_would_see_at_its_size() -> None:
    truth = sees_wall(LARGE, TARGET, WALL, WALL_M)
    found = with_detail(GREY, [source()], LARGE, TARGET, choice())
    assert apart(found, truth) < 4
    # Seen to fail where the surface, or the camera, is elsewhere.
    assert apart(with_detail(GREY, [source()], LARGE, TARGET, choice(1 / 4.5)), truth) > 8
    aside = looking_ahead(0.0, 0.25, 0.2)
    assert apart(with_detail(GREY, [source()], LARGE, aside, choice()), truth) > 8


def test_where_no_source_shows_a_pixel_the_answer_is_enlarged() -> None:
    answer = texture(5)[:16, :24]
    alone = with_detail(answer, [source()], LARGE, TARGET, choice(share=0.0))
    behind = with_detail(answer, [source()], LARGE, looking_ahead(-20.0), choice())
    np.testing.assert_array_equal(alone, with_detail(answer, [], LARGE, TARGET, choice()))
    np.testing.assert_array_equal(alone, behind)
    assert np.abs(alone[::8, ::8].astype(int) - answer).mean() < 40


def test_the_owner_is_copied_from_and_nobody_else() -> None:
    dark = Frame(1, np.zeros_like(source().image), SOURCE, source().world_from_cam)
    truth = sees_wall(LARGE, TARGET, WALL, WALL_M)
    assert apart(with_detail(GREY, [dark, source()], LARGE, TARGET, choice(owner=1)), truth) < 4
    assert with_detail(GREY, [dark, source()], LARGE, TARGET, choice())[30:-30, 30:-30].max() == 0


@pytest.mark.parametrize(("evidence", "level"), [(1.0, 60), (0.0, 128)])
def test_without_evidence_coarse_colours_stay_the_networks(evidence: float, level: int) -> None:
    """A source that is darker than the network says."""
    image = (np.indices((160, 240)).sum(axis=0) // 3 % 2 * 40 + 40).astype(np.uint8)
    dark = Frame(1, np.repeat(image[..., None], 3, axis=-1), SOURCE, looking_ahead())
    found = with_detail(GREY, [dark], LARGE, looking_ahead(), choice(evidence=evidence))
    inside = found[30:-30, 30:-30]
    assert abs(inside.mean() - level) < 4
    assert inside.std() > 8  # and its detail is there


def test_a_source_that_is_finer_than_the_target_is_shrunk_first() -> None:
    fine = source()
    small = shrunk(fine, SMALL)
    assert (small.camera.width, small.camera.height) == (24, 16)
    assert small.image.std() < fine.image.std()
    assert shrunk(fine, LARGE) is fine
    found = with_detail(GREY, [fine], SMALL, looking_ahead(), choice())
    expected = small.image[3:-3, 3:-3].astype(int)
    assert np.abs(found[3:-3, 3:-3] - expected).mean() < 2


def test_nothing_is_bent_between_two_surfaces() -> None:
    """Left near, right far: each pixel is looked up at one depth or the other."""
    cut = choice()
    cut.inverse_depth[:, :12] = 1 / 2.5
    found = with_detail(GREY, [source()], LARGE, TARGET, cut)
    far = with_detail(GREY, [source()], LARGE, TARGET, choice())
    near = with_detail(GREY, [source()], LARGE, TARGET, choice(1 / 2.5))
    either = np.minimum(
        np.abs(found.astype(int) - far).sum(-1), np.abs(found.astype(int) - near).sum(-1)
    )
    assert either[20:-20, 20:-20].max() <= 3


def test_depth_is_told_where_it_is_known() -> None:
    known = choice(0.25)
    known.share[:, :6] = 0.1
    known.inverse_depth[:, 18:] = 0
    depth = depth_of(known, LARGE)
    assert depth.shape == (128, 192)
    assert depth.dtype == np.float32
    assert np.isnan(depth[:, :48]).all()
    assert (depth[:, 48:144] == 4).all()
    assert np.isinf(depth[:, 144:]).all()


def test_ages_are_those_of_the_clip() -> None:
    frame = source()
    live = Clip(tuple(Frame((k + 20) * 10**8, frame.image, SOURCE, TARGET) for k in range(5)))
    assert ages_s(live, live) == [0.0] * 5
    held = Clip.held(frame, 5)  # of 0.1 s
    assert np.allclose(ages_s(held, live), [1.9, 2.0, 2.1, 2.2, 2.3])


def dark(camera: Camera) -> Frame:
    return Frame(0, np.zeros((camera.height, camera.width, 3), np.uint8), camera, np.eye(4))


def test_a_view_of_nearly_all_directions_leaves_a_pixel_of_a_source() -> None:
    narrow = dark(Camera.from_fov(48, 32, np.radians(12)))
    small = shrunk(narrow, Camera.from_fov(160, 96, np.radians(175)))
    assert (small.camera.width, small.camera.height) == (1, 1)


def test_pixels_that_are_no_squares_are_shrunk_by_what_each_side_needs() -> None:
    tall = dark(Camera(48, 32, 20.0, 80.0, 24.0, 16.0))
    small = shrunk(tall, Camera(24, 16, 20.0, 20.0, 12.0, 8.0))
    assert (small.camera.width, small.camera.height) == (48, 8)


@pytest.mark.parametrize("cell", [(4, 8, 8), (4, 32, 32), (8, 8, 8)])
def test_a_tiny_clip_is_drawn_of_any_latent(cell: tuple[int, int, int]) -> None:
    contract = load_package(find_package(DEFAULT_MODEL), check_files=False).contract
    latent = LatentShape(contract.latent.channels, *cell)
    SourceDetail(replace(contract, latent=latent), 1).warm_up()
