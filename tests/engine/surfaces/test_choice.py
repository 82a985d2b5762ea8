"""The choice of surfaces: what sources know, what the network believes, and what moved."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from anyview_ros.contract import SurfaceRange
from anyview_ros.engine.surfaces.choice import Choice, Priors, choose, priors
from anyview_ros.engine.surfaces.finder import Surfaces
from anyview_ros.engine.surfaces.plane_scores import plane_scores
from anyview_ros.frames import Camera, Frame, View
from tests.engine.surfaces.walls import looking_ahead

CAMERA = Camera(32, 24, 24.0, 24.0, 15.5, 11.5)
PLANES = np.linspace(0, 0.5, 6)
RANGE, SCALE = SurfaceRange(48, 7.0), 0.1
BINS = SCALE * RANGE.inverse_depths(np.arange(RANGE.count))
HIGH = 1e3  # above the ground: it is seen nowhere
TARGET = View(CAMERA, looking_ahead(0.0, 0.0, HIGH)[None])


POST = slice(14, 18)  # columns


def knowing(
    inverse_depth: float, pose: NDArray[np.float64], nats: float = 20.0, camera: Camera = CAMERA
) -> Surfaces:
    """A source that sees a wall everywhere at one inverse depth, and is that sure of it."""
    walls = np.full((camera.height, camera.width), inverse_depth)
    return seeing(walls, pose, nats, camera)


def seeing(
    walls: NDArray[np.float64],
    pose: NDArray[np.float64],
    nats: float = 20.0,
    camera: Camera = CAMERA,
) -> Surfaces:
    """A source that sees each pixel's surface at an inverse depth of its own."""
    costs = np.minimum(np.abs(BINS - walls[..., None]) / BINS[1], nats).astype(np.float32)
    costs -= costs.min(axis=-1, keepdims=True)
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    return Surfaces.of(Frame(1, image, camera, pose), costs, RANGE, SCALE)


def weights(plane: int | None = None, nothing: float = 0.0) -> NDArray[np.float32]:
    """(P + 1, 1, 6, 8): all planes alike, or one alone."""
    values = np.full((len(PLANES) + 2, 1, 6, 8), 1 / (len(PLANES) + 1), np.float32)
    if plane is not None:
        values[:] = 0
        values[2 + plane] = 1
    values *= 1 - nothing
    values[0] = nothing
    return values


def chosen(seen: list[Surfaces], ages: list[float], said: NDArray[np.float32]) -> Choice:
    return choose(plane_scores(TARGET, 0, seen, ages), drawn_up(said))


def drawn_up(said: NDArray[np.float32]) -> Priors:
    return priors(said, PLANES / SCALE, CAMERA, RANGE, 0.5)


@pytest.mark.parametrize("inverse_depth", [0.05, 0.23, 0.41])
def test_what_a_source_knows_is_found_between_the_planes(inverse_depth: float) -> None:
    pose = looking_ahead(0.0, 0.3, HIGH)
    found = chosen([knowing(inverse_depth, pose)], [0.0], weights())
    inside = found.inverse_depth[6:-6, 12:-12]
    assert np.abs(inside - inverse_depth).max() < 0.03
    assert found.share[6:-6, 12:-12].min() > 0.8
    assert found.evidence[6:-6, 12:-12].min() > 0.9


def test_a_source_ahead_of_the_target_measures_from_where_it_is() -> None:
    ahead = looking_ahead(1.0, 0.0, HIGH)
    found = chosen([knowing(1 / 3, ahead)], [0.0], weights())
    assert np.abs(found.inverse_depth[8:-8, 12:-12] - 1 / 4).max() < 0.03


def test_where_sources_know_nothing_the_network_decides() -> None:
    unsure = knowing(0.3, looking_ahead(0.0, 0.1, HIGH), nats=0.0)
    found = chosen([unsure], [0.0], weights(plane=3))
    assert np.abs(found.inverse_depth[4:-4, 6:-6] - PLANES[3]).max() < 0.05
    assert not found.evidence.any()
    shared = chosen([unsure], [0.0], weights(plane=3, nothing=0.75))
    assert np.allclose(shared.share, 0.5 * found.share, atol=5e-3)


def test_where_the_network_agrees_with_what_it_was_told_that_is_chosen() -> None:
    """Sources know nothing; the composite showed one plane, and the weights say it was right."""
    unsure = knowing(0.3, looking_ahead(0.0, 0.1, HIGH), nats=0.0)
    scores = plane_scores(TARGET, 0, [unsure], [0.0])
    told = choose(scores, drawn_up(weights(plane=2)))
    none = weights(plane=4, nothing=0.2)
    none[2:] *= 0.25
    rest = 1 - none.sum(axis=0, keepdims=True)
    said = np.concatenate([none, rest]), PLANES / SCALE, CAMERA, RANGE, 0.5
    followed = choose(scores, priors(*said, composite=True), told=told)
    assert np.abs(followed.inverse_depth - told.inverse_depth)[4:-4, 6:-6].max() < 0.03
    alone = choose(scores, drawn_up(none))
    assert np.abs(alone.inverse_depth - PLANES[4])[4:-4, 6:-6].max() < 0.05


def test_before_the_network_is_asked_the_sources_decide() -> None:
    pose = looking_ahead(0.0, 0.3, HIGH)
    found = choose(plane_scores(TARGET, 0, [knowing(0.23, pose)], [0.0]))
    assert np.abs(found.inverse_depth[6:-6, 12:-12] - 0.23).max() < 0.03


def test_the_ground_is_a_plane_too() -> None:
    low = View(CAMERA, looking_ahead(0.0, 0.0, 1.5)[None])
    said = weights()
    said[2:] = 0
    unsure = knowing(0.3, looking_ahead(0.0, 0.1, 1.5), nats=0.0)
    found = choose(plane_scores(low, 0, [unsure], [0.0]), drawn_up(said))
    rows = np.arange(CAMERA.height)[:, None]
    truth = (rows - CAMERA.cy) / CAMERA.fy / 1.5
    assert np.allclose(found.inverse_depth[14:, :-3], truth[14:], atol=1e-3)


def test_the_live_source_is_taken_where_both_know_as_much() -> None:
    live, past = (knowing(0.3, looking_ahead(0.0, y, HIGH)) for y in (0.2, 0.0))
    assert (chosen([live, past], [0.0, 5.0], weights()).owner[:, 10:-10] == 0).all()


def test_the_past_shows_what_no_live_source_sees() -> None:
    away = knowing(0.3, looking_ahead(0.0, 40.0, HIGH))
    past = knowing(0.3, looking_ahead(0.0, 0.0, HIGH))
    found = chosen([away, past], [0.0, 5.0], weights())
    assert (found.owner[:, 8:-8] == 1).all()
    assert found.share[:, 8:-8].min() > 0.5


def test_what_a_live_source_sees_through_has_moved_on() -> None:
    """A thing stood near by; now the live source sees the wall behind it."""
    live = knowing(0.1, looking_ahead(0.0, 0.2, HIGH))
    before = knowing(0.4, looking_ahead(0.0, 0.0, HIGH))
    said = weights(plane=4)  # the network still believes in the near thing
    inside = chosen([live, before], [0.0, 2.0], said).inverse_depth[8:-8, 12:-12]
    assert np.abs(inside - 0.1).max() < 0.05


def test_a_thing_behind_what_the_live_source_sees_may_be_there() -> None:
    """And beside it, where the live source sees through it, it has moved on."""
    walls = np.full((24, 32), 0.02)
    walls[:, POST] = 0.5
    live = seeing(walls, looking_ahead(0.0, 0.4, HIGH))
    before = knowing(0.1, looking_ahead(0.0, 0.0, HIGH))
    found = chosen([live, before], [0.0, 2.0], weights())
    assert (found.owner[4:-4, 14:16] == 1).all()
    assert (found.owner[4:-4, 19:26] == 0).all()


def test_things_stand_in_front_of_things() -> None:
    """The source sees a post and, beside it, the wall that the target's rays meet behind it."""
    walls = np.full((24, 32), 0.1)
    walls[:, POST] = 0.5
    said = weights(plane=1)  # the network sees the wall alone
    found = chosen([seeing(walls, looking_ahead(0.0, 0.4, HIGH))], [0.0], said)
    # From 0.4 m to the left the post is 24 * 0.4 * 0.5 = 4.8 pixels further right than from here.
    assert np.abs(found.inverse_depth[4:-4, 10:13] - 0.5).max() < 0.05
    assert np.abs(found.inverse_depth[4:-4, 2:8] - 0.1).max() < 0.05


def test_what_the_post_hides_is_not_the_sources_to_show() -> None:
    walls = np.full((24, 32), 0.02)
    walls[:, POST] = 0.5
    found = chosen([seeing(walls, looking_ahead(0.0, 0.4, HIGH))], [0.0], weights(plane=0))
    assert found.share[4:-4, 15:17].max() < 0.1
    assert found.share[4:-4, 19:26].min() > 0.6


def test_beside_the_edge_of_a_thing_it_is_not_shown_again() -> None:
    """A source beside the target: what the thing hides from it alone is shown by nobody."""
    walls = np.zeros((24, 32))
    walls[:, :16] = 0.41
    beside = seeing(walls, looking_ahead(0.0, -1.0, HIGH))
    found = chosen([beside], [0.0], weights())
    for row in found.share[6:-6] > 0.1:
        ends = np.flatnonzero(np.diff(row[2:-2].astype(int)))
        assert len(ends) <= 2, row
    gone = (found.share < 0.1)[6:-6, 2:-2].sum(axis=1)
    assert gone.min() >= 6  # of 24 * 0.41 * 1 = 10 columns


def test_a_surface_is_where_the_source_itself_has_it() -> None:
    """Not at the planes about it: those are 0.15 apart here."""
    slope = np.tile(np.linspace(0.2, 0.35, 32), (24, 1))
    here = looking_ahead(0.0, 0.0, HIGH)
    found = chosen([seeing(slope, here)], [0.0], weights())
    assert np.abs(found.inverse_depth - slope)[2:-2, 2:-2].max() < 0.005


def test_a_pixel_apart_from_all_about_it_takes_what_is_there() -> None:
    walls = np.full((24, 32), 0.1)
    walls[12, 16] = 0.4
    walls[:, 20:] = 0.3
    found = chosen([seeing(walls, looking_ahead(0.0, 0.0, HIGH))], [0.0], weights())
    assert np.abs(found.inverse_depth[10:15, 14:19] - 0.1).max() < 0.03
    assert found.share[10:15, 14:19].min() > 0.8
    assert found.share[4:-4, 19:21].min() > 0.7, "edges are none"


def test_sources_of_different_sizes_stand_side_by_side() -> None:
    small = Camera(16, 16, 12.0, 16.0, 7.5, 7.5)
    seen = [
        knowing(0.3, looking_ahead(0.0, 40.0, HIGH)),
        knowing(0.2, looking_ahead(0.0, 0.0, HIGH), camera=small),
    ]
    found = chosen(seen, [0.0, 0.0], weights())
    assert np.abs(found.inverse_depth[8:-8, 10:-10] - 0.2).max() < 0.03
