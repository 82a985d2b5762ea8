"""The official layout and protocol: sizes, intrinsics, splits, groups, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.evaluation.root_suite import RootSuite
from anyview_ros.evaluation.suite import Episode
from anyview_ros.packages import load_package
from tests.evaluation.scenes import write_root, write_scene
from tests.packages import make_package


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    folder = make_package(tmp_path_factory.mktemp("m") / "tiny", pixel_rule="integer_grid")
    return load_package(folder).contract


def of(contract: Contract, root: Path, *wanted: str) -> RootSuite:
    return RootSuite.of(contract, root, wanted)


def test_splits_and_groups(contract: Contract, tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    suite = of(contract, root)
    assert suite.groups == {"DDAD": ("ddad_FL", "ddad_FR"), "alone": ("alone",)}
    names = ["ddad_FL_ep000", "ddad_FL_ep001", "ddad_FR_ep000", "alone_ep000"]
    assert [e.name for e in suite.episodes()] == names
    for episode in suite.episodes():
        assert len(suite.task(episode).truth) == 5
    assert [e.name for e in of(contract, root, "DDAD").episodes()] == names[:3]
    part = of(contract, root, "ddad_FR")
    assert part.groups == {"DDAD": ("ddad_FR",)}
    with pytest.raises(AnyviewError, match="no split 'pandas'; there are: ddad_FL, ddad_FR"):
        of(contract, root, "pandas")


def test_frames_and_intrinsics_go_to_the_grid_of_the_release(
    contract: Contract, tmp_path: Path
) -> None:
    """180 x 320 is 720 x 1280 in small: 304 x 576, by Lanczos, K scaled side by side."""
    write_scene(tmp_path / "s" / "s_ep000", 5, size=(180, 320))
    (tmp_path / "splits.json").write_text(json.dumps({"splits": {"s": ["s_ep000"]}}))
    task = of(contract, tmp_path).task(Episode("s", "s_ep000"))
    assert task.truth.shape == (5, 304, 576, 3)
    with Image.open(tmp_path / "s" / "s_ep000" / "rgb" / "cam1" / f"{0:010d}.png") as native:
        expected = np.asarray(native.resize((576, 304), Image.Resampling.LANCZOS))
    assert np.array_equal(task.source_images[0], expected)
    camera = task.target.camera
    assert (camera.cx, camera.cy) == pytest.approx((159.5 * 576 / 320, 89.5 * 304 / 180))
    assert task.scene_scale == 1 / 16


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "must be a JSON object"),
        ("{}", "KeyError 'splits'"),
        ('{"splits": {"a": {"dir": "a"}}}', "KeyError 'episodes'"),
        ('{"splits": {"a": {"episodes": 3}}}', "must be a list, got 3"),
        ('{"splits": {"a": []}, "groups": {"g": ["b"]}}', "group 'g' names 'b'"),
        ('{"splits": ["a"]}', "AttributeError"),
        ('{"splits": {"a": ["../../b"]}}', "become names of files, got '../../b'"),
        ('{"splits": {"..": ["b"]}}', "become names of files, got '..'"),
    ],
)
def test_a_split_file_that_cannot_be(
    contract: Contract, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(AnyviewError) as e:
        of(contract, tmp_path)
    assert e.value.code == "invalid_benchmark"
    assert says in e.value.message


def without_pixels(scene: Path) -> None:
    """Leave what the release has of an episode whose pixels it may not pass on."""
    shutil.rmtree(scene / "rgb")
    (scene / "fetch_manifest.json").write_text("{}")


def test_what_has_no_pixels_is_left_out_with_a_notice(contract: Contract, tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    without_pixels(root / "zero_shot" / "ddad_FL" / "ddad_FL_ep001")
    without_pixels(root / "alone" / "alone_ep000")
    (root / "alone" / "alone_ep000" / "rgb" / "cam0").mkdir(parents=True)  # an empty folder
    suite = of(contract, root)
    assert [e.name for e in suite.episodes()] == ["ddad_FL_ep000", "ddad_FR_ep000"]
    assert suite.groups == {"DDAD": ("ddad_FL", "ddad_FR")}
    one, all_of_it = suite.left_out
    assert one.startswith("ddad_FL: 1 of 2 episodes have no pixels (no files in rgb/)")
    assert all_of_it.startswith("alone: 1 of 1 episodes have no pixels")
    with pytest.raises(AnyviewError, match=r"not one episode to score\. alone: 1 of 1") as e:
        of(contract, root, "alone")
    assert e.value.code == "no_episodes"


def test_a_run_goes_on_when_what_was_left_out_has_come(contract: Contract, tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    whole = of(contract, root).settings
    shutil.rmtree(root / "zero_shot")
    part = of(contract, root)
    assert part.groups == {"DDAD": ("ddad_FR",), "alone": ("alone",)}
    assert part.left_out == (
        f"ddad_FL: it is not unpacked, there is none of it in {root / 'zero_shot' / 'ddad_FL'}",
    )
    assert part.settings == whole


def test_no_split_file(contract: Contract, tmp_path: Path) -> None:
    with pytest.raises(AnyviewError, match=r"splits\.json must be a JSON object"):
        of(contract, tmp_path)


def test_an_episode_without_a_folder_or_a_truth(contract: Contract, tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    suite = of(contract, root)
    with pytest.raises(AnyviewError, match="names 'ddad_FR_ep007', but there is no") as e:
        suite.task(Episode("ddad_FR", "ddad_FR_ep007"))
    assert e.value.code == "missing_episode"
    for image in (root / "alone" / "alone_ep000" / "rgb" / "cam0").iterdir():
        image.unlink()
    with pytest.raises(AnyviewError, match="no images of its target") as e:
        suite.task(Episode("alone", "alone_ep000"))
    assert e.value.code == "no_truth"
