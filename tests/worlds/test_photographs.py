"""Photographs on surfaces and as skies, against slow samplers and laws; pictures are painted."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest

from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import look_at, rays
from anyview_ros.worlds import pack_photographs
from anyview_ros.worlds import photograph_packages as module
from anyview_ros.worlds.photograph_packages import PACKAGES, find_package, is_held_out
from anyview_ros.worlds.photographed import PhotographedWorld
from anyview_ros.worlds.photographs import developed, mip_levels, read_photographs
from anyview_ros.worlds.render import scene as columns
from anyview_ros.worlds.render.raycast import render
from anyview_ros.worlds.render.scene import Finish, Scene, box
from anyview_ros.worlds.render.textures import SIDE, TEXELS, level_color, photograph
from anyview_ros.worlds.world import make_world
from tests.worlds.pictures import SCIKIT, painted_photographs
from tests.worlds.reference import noon

SECOND = 10**9


def painted(seed: int, size: int = SIDE) -> np.ndarray:
    """(size, size, 3) uint8 with detail at every scale."""
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def linear(picture: np.ndarray) -> np.ndarray:
    return np.square(picture / 255.0)


def test_a_texture_is_itself_at_its_texels_and_mirrors_beyond() -> None:
    picture = painted(1)
    texels = mip_levels(picture)
    for y, x in ((0, 0), (3, 200), (255, 255), (100, 17)):
        found = photograph(texels, 0, (x + 0.5) / SIDE, (y + 0.5) / SIDE, 0.0)
        np.testing.assert_allclose(found, linear(picture[y, x]), atol=1e-6)
        beyond = photograph(texels, 0, 2 - (x + 0.5) / SIDE, -(y + 0.5) / SIDE, 0.0)
        np.testing.assert_allclose(beyond, found, atol=1e-6)
        seam = level_color(texels, 0, 0, 1.0, (y + 0.5) / SIDE)
        np.testing.assert_allclose(seam, linear(picture[y, 255]), atol=1e-6)


@pytest.mark.parametrize("level", [1, 3, 5])
def test_a_wide_pixel_sees_the_mean_of_what_it_covers(level: int) -> None:
    picture = painted(2)
    texels, wide = mip_levels(picture), 2**level
    for y, x in ((0, 0), (2, 5), (6, 1)):
        block = linear(picture[y * wide : (y + 1) * wide, x * wide : (x + 1) * wide])
        middle = (x + 0.5) * wide / SIDE, (y + 0.5) * wide / SIDE
        found = photograph(texels, 0, *middle, wide / SIDE)
        np.testing.assert_allclose(found, block.mean(axis=(0, 1)), atol=0.004)  # of bytes
    everything = photograph(texels, 0, 0.3, 0.8, 5.0)
    np.testing.assert_allclose(everything, linear(picture).mean(axis=(0, 1)), atol=0.004)


def wall_with(picture: np.ndarray, tile: float) -> Scene:
    """A wall 5 m away, facing the camera, that glows with a photograph and nothing else."""
    row = box((6.0, 0.0, 3.0), (1.0, 40.0, 40.0), Finish((0.3, 0.3, 0.3)))
    row[[columns.TEXTURE, columns.TILE]] = 1, tile
    scene = noon(row[None], [1])
    environment = scene.environment.copy()
    environment[columns.SUN : columns.SUN + 3] = np.array([-1.0, 0, 0])  # straight onto the wall
    return Scene(scene.primitives, scene.groups, environment, mip_levels(picture))


def test_a_photograph_lies_where_the_wall_is_in_metres() -> None:
    """A bright square in a dark picture: its edges are where geometry says."""
    picture = np.full((SIDE, SIDE, 3), 120, np.uint8)
    picture[64:128, 32:160] = 200
    camera, pose = Camera(128, 96, 100.0, 100.0, 63.5, 47.5), look_at((0, 0, 3.0), (9, 0, 3.0))
    image = render(wall_with(picture, 4.0), camera, pose).astype(int).sum(axis=-1)
    direction = rays(camera) @ pose[:3, :3].T
    point = pose[:3, 3] + direction * (5.0 / direction[..., 0])[..., None]
    u, v = point[..., 1] / 4.0, (point[..., 2] - 3.0) / 4.0  # from the middle of the box
    u, v = (1 - np.abs(1 - coordinate % 2) for coordinate in (u, v))
    inside = (u > 32 / SIDE) & (u < 160 / SIDE) & (v > 64 / SIDE) & (v < 128 / SIDE)
    bright = image > 0.5 * (image.min() + image.max())
    assert (bright != inside).mean() < 0.01
    assert 0.05 < inside.mean() < 0.5


def test_far_away_a_photograph_is_its_mean_and_does_not_flicker() -> None:
    picture = painted(3)
    camera, pose = Camera(32, 24, 30.0, 30.0, 15.5, 11.5), look_at((0, 0, 3.0), (9, 0, 3.0))
    near, far = (render(wall_with(picture, tile), camera, pose) for tile in (20.0, 0.02))
    assert near.std(axis=(0, 1)).max() > 8
    assert far.std(axis=(0, 1)).max() < 3


def test_a_sky_is_seen_in_the_direction_of_each_pixel() -> None:
    sky = cv2.resize(painted(4, 16), (512, 256), interpolation=cv2.INTER_CUBIC)
    plain = noon(box((0, 0, -90), (1, 1, 1), Finish())[None], [1])
    environment = plain.environment.copy()
    turn = 0.7
    environment[[columns.SKY_TEXTURE, columns.SKY_TURN]] = 1.0, turn
    scene = Scene(plain.primitives, plain.groups, environment, sky.reshape(-1, 3))
    camera, pose = Camera(64, 48, 40.0, 40.0, 31.5, 23.5), look_at((0, 0, 2.0), (3, 5.0, 7.0))
    image = render(scene, camera, pose)
    x, y, z = np.moveaxis(rays(camera) @ pose[:3, :3].T, -1, 0)
    column = (0.5 - (np.arctan2(y, x) + turn) / (2 * np.pi)) % 1 * 512
    true = sky[(np.arccos(z) / np.pi * 256).astype(int), column.astype(int) % 512]
    light = linear(true)
    shown = 255 * np.sqrt(light * (1 + 0.12 * light) / (1 + 0.45 * light))  # `shading.exposed`
    assert z.min() > 0
    assert np.abs(image - shown).mean() < 4
    assert image.std() > 20


def test_the_median_of_a_picture_gets_the_light_it_is_exposed_for() -> None:
    raw = np.random.default_rng(5).gamma(1.0, 80.0, (64, 64, 3)).astype(np.float32)
    grey = raw[..., :1].repeat(3, axis=-1)
    bright = np.median(linear(developed(grey, 0.25)))
    assert bright == pytest.approx(0.25, rel=0.15)  # the curve adds x / WHITE^2
    np.testing.assert_array_equal(developed(grey, 0.25), developed(grey * 512, 0.25))


@pytest.mark.parametrize("kind", ["street", "table"])
def test_a_dressed_world_has_the_same_shapes_and_keeps_its_photographs(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = painted_photographs(tmp_path, monkeypatch)
    plain = make_world(kind, 3)
    world = PhotographedWorld(plain, pictures, 0.6)
    wearing: dict[bytes, bytes] = {}
    for stamp in (SECOND, 2 * SECOND, 30 * SECOND):
        bare, dressed = plain.scene_at(stamp), world.scene_at(stamp)
        shapes = slice(0, columns.MATERIAL)
        np.testing.assert_array_equal(bare.primitives[:, shapes], dressed.primitives[:, shapes])
        np.testing.assert_array_equal(bare.groups, dressed.groups)
        for old, new in zip(bare.primitives, dressed.primitives, strict=True):
            finish = old[[columns.MATERIAL, *range(columns.COLOR, columns.RADIUS)]].tobytes()
            worn = new[columns.TEXTURE].tobytes()
            assert wearing.setdefault(finish, worn) == worn
    textures = dressed.primitives[:, columns.TEXTURE]
    assert 0.05 < (textures > 0).mean() < 0.8
    assert textures.max() <= len(pictures.names)
    undressed = PhotographedWorld(plain, pictures, 0.0).scene_at(SECOND)
    np.testing.assert_array_equal(undressed.primitives, plain.scene_at(SECOND).primitives)


def test_two_worlds_of_a_seed_are_dressed_alike_and_another_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = painted_photographs(tmp_path, monkeypatch)
    one, same, other = (
        PhotographedWorld(make_world("table", seed), pictures, 0.6).scene_at(SECOND)
        for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(one.primitives, same.primitives)
    np.testing.assert_array_equal(one.environment, same.environment)
    assert not np.array_equal(one.environment, other.environment)


def test_another_picture_is_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = painted_photographs(tmp_path / "one", monkeypatch)
    same = painted_photographs(tmp_path / "same", monkeypatch)
    other = painted_photographs(tmp_path / "other", monkeypatch, seed=1)
    assert one.digest == same.digest != other.digest
    assert one.texels.shape == (len(one.names) * TEXELS, 3)


def test_held_out_pictures_are_never_trained_on_and_twins_share_their_fate() -> None:
    names = {
        name: {*package.materials, *package.pictures, *package.panoramas}
        for name, package in PACKAGES.items()
    }
    held = {stem for stems in names.values() for stem in stems if is_held_out(stem)}
    everything = set.union(*names.values())
    assert 0.05 < len(held) / len(everything) < 0.4
    skies = {stem for package in PACKAGES.values() for stem in package.skies}
    grounds = {stem for package in PACKAGES.values() for stem in package.grounds}
    assert held & skies
    assert held & grounds
    assert skies - held


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE", Path("/nowhere"))
    text = "'blender-data', looked in /nowhere/.*; run 'apt-get install blender-data'"
    with pytest.raises(AnyviewError, match=text):
        find_package("blender-data")
    with pytest.raises(AnyviewError, match=re.escape("among 'scikit-image'")):
        find_package("pictures")


@pytest.mark.parametrize("name", list(PACKAGES))
def test_what_is_installed_has_every_picture_of_the_table(name: str) -> None:
    try:
        folder = find_package(name)
    except AnyviewError:
        pytest.skip(f"{name} is not installed")
    package = PACKAGES[name]
    for stem in (*package.materials, *package.pictures, *package.panoramas):
        assert (folder / f"{stem}{package.suffix}").is_file()


def test_all_packages_together_are_read() -> None:
    read_photographs.cache_clear()
    try:
        training = read_photographs(tuple(PACKAGES))
    except AnyviewError as error:
        pytest.skip(error.message)
    evaluation = read_photographs(tuple(PACKAGES), held_out=True)
    assert not {*training.names, *training.sky_names} & {*evaluation.names, *evaluation.sky_names}
    means = training.texels[TEXELS - 1 : len(training.names) * TEXELS : TEXELS].mean(axis=-1)
    assert means.min() > 40
    assert means.max() < 230


def test_packed_photographs_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = painted_photographs(tmp_path, monkeypatch)
    file = tmp_path / "photographs.npz"
    monkeypatch.setattr("sys.argv", ["pack_photographs", str(file), *SCIKIT])
    pack_photographs.main()
    assert f"{len(read.names)} textures" in capsys.readouterr().out
    packed = read_photographs((str(file),))
    for field in fields(read):
        if field.name != "texels":
            assert getattr(packed, field.name) == getattr(read, field.name)
    assert np.array_equal(packed.texels, read.texels)


@pytest.mark.parametrize("content", [None, b"no archive", b"PK\x03\x04"])
def test_what_holds_no_photographs_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "photographs.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AnyviewError, match="holds no packed photographs") as refused:
        read_photographs((str(file),))
    assert refused.value.code == "missing_photographs"


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "photographs.npz"
    np.savez(file, names=np.array(["one"]))
    with pytest.raises(AnyviewError, match="holds no packed photographs"):
        read_photographs((str(file),))
