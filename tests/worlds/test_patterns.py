"""Patterns keep their mean when they are seen from afar, and close around a cylinder."""

from __future__ import annotations

import numpy as np
import pytest

from anyview_ros.worlds.render import scene
from anyview_ros.worlds.render.patterns import pattern
from anyview_ros.worlds.render.wares import surface_axes

KINDS = {
    name: getattr(scene, name)
    for name in (
        *("NOISE", "STRIPES", "WOOD", "MARBLE", "CHECKS"),
        *("GINGHAM", "TILES", "BRICK", "DOTS", "TERRAZZO", "RUG"),
    )
}
COLOR, ACCENT = (0.6, 0.5, 0.3), (0.1, 0.2, 0.4)


def drawn(kind: int, scale: float, width: float) -> np.ndarray:
    """(n, n, 3): three metres square, sampled on a grid that fits no period."""
    grid = np.linspace(-1.5, 1.5, 150) + 0.00013
    colors = [
        [pattern(kind, COLOR, ACCENT, u, v, scale, 7, width) for u in grid.tolist()]
        for v in grid.tolist()
    ]
    return np.array(colors)


@pytest.mark.parametrize("name", KINDS)
def test_seen_from_afar_only_the_mean_is_left(name: str) -> None:
    near, far = (drawn(KINDS[name], 0.1, width) for width in (0.0005, 0.5))
    mean = near.mean(axis=(0, 1))
    np.testing.assert_allclose(far.mean(axis=(0, 1)), mean, rtol=0.12)
    contrast = near.std(axis=(0, 1)).max()
    assert contrast > 0.02  # it is a pattern
    assert far.std(axis=(0, 1)).max() < 0.25 * contrast


@pytest.mark.parametrize("name", ["STRIPES", "CHECKS", "GINGHAM"])
@pytest.mark.parametrize("radius", [0.03, 0.047, 0.3])
def test_it_closes_around_a_cylinder(name: str, radius: float) -> None:
    half, scale, e = (radius, radius, 0.1), 0.021, 1e-4
    colors = []
    for angle in (np.pi - e, -np.pi + e):
        normal = (np.cos(angle), np.sin(angle), 0.0)
        point = (radius * normal[0], radius * normal[1], 0.033)
        u, v, fit = surface_axes(scene.CYLINDER, half, point, normal, scale)
        assert 0.6 * scale < fit < 1.7 * scale
        colors.append(pattern(KINDS[name], COLOR, ACCENT, u, v, fit, 7, 0.004))
    np.testing.assert_allclose(colors[0], colors[1], atol=0.03)
