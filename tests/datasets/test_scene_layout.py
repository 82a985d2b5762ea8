"""Scenes written by hand in both storages, and what is refused."""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from anyview_ros.datasets import scene_storage
from anyview_ros.datasets.scene_layout import SceneFolder
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import inverse, look_at

HEIGHT, WIDTH = 32, 48
K = np.array([[40.0, 0, 23.5], [0, 41.0, 15.5], [0, 0, 1]], np.float32)
POSES = {
    camera: np.stack([look_at([x + 0.1 * k, -3, 1], [0, 0, 1]) for k in range(7)])
    for camera, x in (("left", 0.0), ("right", 1.0), ("spare", 2.0))
}
METADATA = {
    "info": {"name": "toy", "storage": "frames"},
    "cameras": ["left", "right", "spare"],
    "rgb": {"extension": "png"},
    "specific": {"roles": {"input": "left", "target": "right"}, "source": {"dataset": "ddad"}},
}


def picture(k: int) -> np.ndarray:
    """(32, 48, 3) uint8: grey that tells the frame; the video's chroma loses nothing of it."""
    return np.full((HEIGHT, WIDTH, 3), 20 + 30 * k, np.uint8)


def write(path: Path, metadata: dict | None = None, images: tuple[str, ...] = ("left",), **extra):
    """A scene of seven frames; `extra` are changes of the metadata's first level."""
    metadata = {**(metadata or METADATA), **extra}
    path.mkdir(exist_ok=True)
    (path / "metadata.json").write_text(json.dumps(metadata))
    turned = metadata.get("extrinsics", {}).get("transform") == "world2cam"
    for camera, poses in POSES.items():
        poses = inverse(poses) if turned else poses
        if metadata["info"].get("storage") == "frames":
            write_frames(path, camera, poses, camera in images)
        else:
            write_video(path, camera, poses, camera in images)
    return path


def write_frames(path, camera, poses, with_images):
    for kind in ("lowdim", "rgb"):
        (path / kind / camera).mkdir(parents=True, exist_ok=True)
    for k, pose in enumerate(poses):
        name = f"{k:010d}"
        np.savez(path / "lowdim" / camera / f"{name}.npz", intrinsics=K, extrinsics=pose)
        if with_images:
            alpha = np.full((HEIGHT, WIDTH, 1), 7 * k, np.uint8)
            image = Image.fromarray(np.concatenate([picture(k), alpha], axis=2))
            image.save(path / "rgb" / camera / f"{name}.png")


def write_video(path, camera, poses, with_images):
    for kind in ("lowdim", "rgb"):
        (path / kind).mkdir(exist_ok=True)
    stacked = {"intrinsics": np.stack([K] * 7), "extrinsics": poses}
    np.savez(path / "lowdim" / f"{camera}.npz", **stacked)
    if not with_images:
        return
    with av.open(path / "rgb" / f"{camera}.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        for k in range(7):
            frame = av.VideoFrame.from_ndarray(picture(k), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def refused(scene: Path, **arguments) -> AnyviewError:
    with pytest.raises(AnyviewError) as e:
        SceneFolder(scene).episode(**arguments)
    return e.value


@pytest.mark.parametrize("storage", ["frames", "videos"])
@pytest.mark.parametrize("transform", ["cam2world", "world2cam"])
def test_storages_and_transforms_say_the_same(tmp_path, storage, transform):
    info, extension = {"name": "toy"}, {"frames": "png", "videos": "mp4"}[storage]
    if storage == "frames":
        info["storage"] = storage  # videos are known by their extension
    scene = write(
        tmp_path / "s", info=info, rgb={"extension": extension}, extrinsics={"transform": transform}
    )
    episode = SceneFolder(scene).episode()
    assert episode.images.shape == (5, HEIGHT, WIDTH, 3)
    assert (
        np.abs(episode.images.astype(int).mean(axis=(1, 2, 3)) - [20, 50, 80, 110, 140]).max() < 2
    )
    np.testing.assert_allclose(episode.source.world_from_cam, POSES["left"][:5], atol=1e-12)
    np.testing.assert_allclose(episode.target.world_from_cam, POSES["right"][:5], atol=1e-12)
    np.testing.assert_allclose(episode.source.camera.matrix, K)
    assert episode.truth is None
    assert episode.scene_scale == 1 / 16


def test_alpha_is_dropped(tmp_path):
    images = SceneFolder(write(tmp_path / "s")).episode().images
    assert np.array_equal(images, np.stack([picture(k) for k in range(5)]))


def test_names_lengths_and_scales_can_be_given(tmp_path):
    scene = SceneFolder(write(tmp_path / "s", images=("spare", "left")))
    episode = scene.episode(source="spare", target="left", num_frames=1, scale=0.5)
    assert len(episode.images) == len(episode.truth) == 1
    np.testing.assert_allclose(episode.source.world_from_cam, POSES["spare"][:1], atol=1e-12)
    assert episode.scene_scale == 0.5


@pytest.mark.parametrize(
    ("changes", "with_truth", "size"),
    [
        ({"specific": {"resolution_per_camera": {"cam0": [90, 160]}}}, True, (90, 160)),
        ({"resolution": [64, 80]}, True, (HEIGHT, WIDTH)),
        ({"resolution": [64, 80]}, False, (64, 80)),
        ({}, False, (HEIGHT, WIDTH)),
    ],
)
def test_the_size_of_the_target(tmp_path, monkeypatch, changes, with_truth, size):
    monkeypatch.setattr(
        "tests.datasets.test_scene_layout.POSES",
        {"cam1": POSES["left"], "cam0": POSES["right"]},
    )
    specific = {"scale_factor": 0.1, **changes.get("specific", {})}
    images = ("cam0", "cam1") if with_truth else ("cam1",)
    changes = {**changes, "cameras": ["cam0", "cam1"], "specific": specific}
    episode = SceneFolder(write(tmp_path / "s", images=images, **changes)).episode()
    assert (episode.target.camera.height, episode.target.camera.width) == size
    assert episode.scene_scale == 0.1


@pytest.mark.parametrize("count", [3, 4, 9, 45, -3])
def test_clip_lengths_that_are_not_one_and_four_k(tmp_path, count):
    error = refused(write(tmp_path / "s"), num_frames=count)
    assert error.code == "invalid_num_frames"
    assert "1 + 4k frames, at most 7" in error.message


def test_an_unknown_source_needs_a_scale(tmp_path):
    scene = write(tmp_path / "s", specific={"roles": METADATA["specific"]["roles"]})
    assert refused(scene).code == "unknown_scene_scale"
    assert SceneFolder(scene).episode(scale=0.2).scene_scale == 0.2


def test_an_unknown_camera(tmp_path):
    error = refused(write(tmp_path / "s"), target="top")
    assert error.code == "unknown_camera"
    assert "left, right, spare" in error.message


def test_skew(tmp_path, monkeypatch):
    skewed = K + np.array([[0, 0.5, 0], [0, 0, 0], [0, 0, 0]], np.float32)
    monkeypatch.setattr("tests.datasets.test_scene_layout.K", skewed)
    error = refused(write(tmp_path / "s"))
    assert error.code == "skewed_camera"
    assert "got 0.5" in error.message


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([2.0, 2, 2, 1]),
        np.diag([-1.0, 1, 1, 1]),
        np.diag([1.0, 1, 1, 2]),
        np.full((4, 4), np.nan),
    ],
)
def test_poses_that_are_not_rigid(tmp_path, matrix):
    scene = write(tmp_path / "s")
    file = scene / "lowdim" / "right" / f"{3:010d}.npz"
    np.savez(file, intrinsics=K, extrinsics=matrix)
    error = refused(scene)
    assert error.code == "invalid_pose"
    assert "frame 3" in error.message


def test_missing_images_and_cameras(tmp_path):
    scene = write(tmp_path / "s")
    (scene / "rgb" / "left" / f"{2:010d}.png").unlink()
    assert "'left': 6 images and 7 poses, missing: image 0000000002" in refused(scene).message
    Image.new("RGB", (8, 8)).save(scene / "rgb" / "left" / f"{2:010d}.png")
    assert "needs 5 images of one size" in refused(scene).message
    np.savez(scene / "lowdim" / "left" / f"{0:010d}.npz", intrinsics=K)
    assert "must hold intrinsics and extrinsics" in refused(scene, num_frames=1).message


def test_frames_sort_by_number(tmp_path):
    """7.png ... 13.png with poses: 10 comes after 9, in pictures and poses alike."""
    scene = write(tmp_path / "s")
    for kind, suffix in (("rgb", "png"), ("lowdim", "npz")):
        for camera in POSES:
            for k, file in enumerate(sorted((scene / kind / camera).iterdir())):
                file.rename(file.with_name(f"{k + 7}.{suffix}"))
    episode = SceneFolder(scene).episode()
    assert np.array_equal(episode.images, np.stack([picture(k) for k in range(5)]))
    np.testing.assert_allclose(episode.source.world_from_cam, POSES["left"][:5], atol=1e-12)


def test_images_of_another_extension_than_the_metadata_says(tmp_path):
    error = refused(write(tmp_path / "s", rgb={"extension": "jpg"}))
    assert error.code == "incomplete_scene"
    assert "rgb.extension of its metadata wants *.jpg, there are *.png" in error.message


def test_images_of_the_target_belong_to_its_poses_too(tmp_path):
    scene = write(tmp_path / "s", images=("left", "right"))
    (scene / "lowdim" / "right" / f"{6:010d}.npz").unlink()
    error = refused(scene)
    assert error.code == "incomplete_scene"
    assert "'right': 7 images and 6 poses" in error.message


def test_images_that_are_broken(tmp_path):
    scene = write(tmp_path / "s")
    file = scene / "rgb" / "left" / f"{1:010d}.png"
    whole = file.read_bytes()
    for broken in (b"", whole[:40], whole[:-30], whole.replace(b"IHDR", b"IHDX")):
        file.write_bytes(broken)
        error = refused(scene)
        assert error.code == "unreadable_image"
        assert str(file) in error.message


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("intrinsics", np.eye(2), "(3, 3), got float64 of shape (2, 2)"),
        ("extrinsics", np.eye(4)[:3], "(4, 4), got float64 of shape (3, 4)"),
        ("extrinsics", np.full((4, 4), "x"), "got <U1 of shape (4, 4)"),
    ],
)
def test_lowdim_arrays_of_the_wrong_kind(tmp_path, name, values, text):
    scene = write(tmp_path / "s")
    arrays = {"intrinsics": K, "extrinsics": POSES["left"][0], name: values}
    np.savez(scene / "lowdim" / "left" / f"{0:010d}.npz", **arrays)
    error = refused(scene)
    assert error.code == "incomplete_scene"
    assert text in error.message


@pytest.mark.parametrize(
    "changes",
    [
        {"info": {"storage": "tape"}},
        {"extrinsics": {"transform": "up"}},
        {"specific": ["roles"]},
        {"cameras": True},
        {"framerate": float("inf")},
        {"specific": {**METADATA["specific"], "scale_factor": "large"}},
        {"specific": {**METADATA["specific"], "scale_factor": float("nan")}},
        {
            "specific": {
                "resolution_per_camera": {"right": [1e308, float("inf")]},
                "roles": METADATA["specific"]["roles"],
            }
        },
        {
            "specific": {
                "resolution_per_camera": {"right": 5},
                "roles": METADATA["specific"]["roles"],
            }
        },
    ],
)
def test_metadata_that_cannot_be(tmp_path, changes):
    scene = write(tmp_path / "s")
    (scene / "metadata.json").write_text(json.dumps({**METADATA, **changes}))
    with pytest.raises(AnyviewError) as e:
        SceneFolder(scene).episode()
    assert e.value.code == "invalid_scene"


def test_metadata_without_end(tmp_path):
    (tmp_path / "metadata.json").write_text('{"a":' * 100_000)
    with pytest.raises(AnyviewError, match="nested too deeply"):
        SceneFolder(tmp_path)


def test_arrays_that_would_not_fit_into_memory(tmp_path, monkeypatch):
    """A bomb of an npz: a little file whose arrays are large."""
    scene = write(tmp_path / "s")
    monkeypatch.setattr(scene_storage, "MAX_ARRAY", 1000)
    bomb = scene / "lowdim" / "left" / f"{0:010d}.npz"
    np.savez_compressed(bomb, intrinsics=K, extrinsics=np.zeros((1000, 4, 4)))
    error = refused(scene)
    assert error.code == "incomplete_scene"
    assert "extrinsics.npy becomes 128128 bytes" in error.message


def test_no_metadata(tmp_path):
    with pytest.raises(AnyviewError, match=r"metadata\.json cannot be read"):
        SceneFolder(tmp_path)
