"""A package is found, checked to the last byte, or refused with the reason."""

import json
import os

import pytest

from anyview_ros.contract import Sampling
from anyview_ros.errors import AnyviewError
from anyview_ros.packages import MANIFEST, find_package, load_package
from tests.packages import make_package


def refusal(path):
    with pytest.raises(AnyviewError) as caught:
        load_package(path)
    return caught.value


def edit(path, **changes):
    manifest = path / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **changes}))


def test_a_written_contract_reads_back_equal(tmp_path):
    path = make_package(tmp_path / "tiny", scene_scale=0.125)
    contract = load_package(path).contract
    assert contract.scene_scale == 0.125
    assert contract.latent.of(9, 24, 32) == (3, 3, 3, 4)
    assert contract.max_steps == 4


def test_the_hash_of_a_package_names_its_content(tmp_path):
    first = load_package(make_package(tmp_path / "a", name="same"))
    same = load_package(make_package(tmp_path / "b", name="same"))
    other = load_package(make_package(tmp_path / "c", name="same", work=1))
    assert first.sha256 == same.sha256 != other.sha256


def test_a_flipped_byte(tmp_path):
    path = make_package(tmp_path / "tiny")
    content = bytearray((path / "decode.onnx").read_bytes())
    content[40] ^= 1
    (path / "decode.onnx").write_bytes(content)
    error = refusal(path)
    assert error.code == "model_damaged"
    assert "'decode.onnx'" in str(error)
    assert "install the package again" in str(error)


def test_a_missing_file(tmp_path):
    path = make_package(tmp_path / "tiny")
    (path / "denoise.onnx").unlink()
    assert "'denoise.onnx' is missing" in str(refusal(path))


def test_a_link_out_of_the_package(tmp_path):
    path = make_package(tmp_path / "tiny")
    (path / "encode.onnx").rename(tmp_path / "outside.onnx")
    os.symlink(tmp_path / "outside.onnx", path / "encode.onnx")
    assert "outside the package" in str(refusal(path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"family": "other"}, "family must be one of one_way, joint"),
        ({"frames": [8]}, "frames must be 1\\+4k"),
        ({"frames": [5, -3]}, "frames must be 1\\+4k"),
        ({"sizes": [[20, 32]]}, "multiples of the latent's factors"),
        ({"sigmas": {"fast": [80.0, 0.0]}}, "the speed 'exact'"),
        ({"sigmas": {"exact": [1.0, 2.0]}}, "falling"),
        ({"surprise": 1}, "unknown fields surprise"),
        ({"files": {}}, "files lacks encode.onnx"),
        ({"latent": 4}, "latent must be an object, got 4"),
        # What ended a node that served a good model, or filled its log.
        ({"name": "\ud800"}, "name must be a printable text"),
        ({"name": 7}, "name must be a printable text of at most 4096 characters, got 7"),
        ({"name": ""}, "name must be 1 to 128 characters"),
        ({"sizes": [[0, 0]]}, "sizes must be of sides of 1 to 8192 pixels"),
        ({"sizes": [[-24, -32]]}, "sizes must be of sides"),
        ({"sizes": [[24]]}, r"sizes\[0\] must be a list of 2, got \[24\]"),
        ({"sizes": [["a", "b"]]}, r"sizes\[0\]\[0\] must be a whole number, got 'a'"),
        ({"latent": {"channels": 3, "time": 0}}, "latent must be 1 to 8192"),
        ({"latent": {"channels": 3, "height": 0}}, "latent must be 1 to 8192"),
        ({"frame_period": float("inf")}, "frame_period must be a finite number, got inf"),
        ({"frame_period": 1e-300}, "frame_period must be 0.001 to 3600 seconds"),
        ({"frame_period": 10**400}, "frame_period must be a finite number"),
        ({"frames": ["nine"]}, r"frames\[0\] must be a whole number, got 'nine'"),
        ({"frames": [float("nan")]}, r"frames\[0\] must be a whole number, got nan"),
        ({"frames": [9.0]}, r"frames\[0\] must be a whole number, got 9.0"),
        ({"sigmas": {"exact": ["a"]}}, r"sigmas.exact\[0\] must be a finite number, got 'a'"),
        ({"plane_sweep": ["x"]}, r"plane_sweep\[0\] must be a finite number"),
        ({"files": {"encode.onnx": 5}}, "files.encode.onnx must be a printable text"),
        ({"max_sources": "two"}, "max_sources must be a whole number, got 'two'"),
        ({"max_sources": True}, "max_sources must be a whole number, got True"),
        ({"known_frames": 1}, "known_frames must be true or false, got 1"),
        ({"scene_scale": -1}, "scene_scale must be above 0, to 1000"),
        ({"surfaces": {"count": 10**9, "nearest": 1.0}}, "a count of 2 to 1024"),
        ({"version": 2}, "version must be 1"),
        # What loaded, and failed at the first call.
        ({"latent": {"channels": 3, "time": 3}}, "frames must be 1 . a multiple .*time, 3"),
        (
            {"latent": {"channels": 3, "height": 2, "width": 2}},
            "latent must be cells of at least 4 pixels a side for ray_code 'unshuffle'",
        ),
        (
            {
                "latent": {"channels": 3, "height": 1},
                "ray_code": "autoencoder",
                "plane_sweep": [0.0, 1.0],
            },
            "latent must be cells of at least 2 pixels a side for a plane_sweep",
        ),
    ],
)
def test_manifests_that_break_the_contract(tmp_path, changes, words):
    path = make_package(tmp_path / "tiny")
    edit(path, **changes)
    with pytest.raises(AnyviewError, match=words) as caught:
        load_package(path)
    assert caught.value.code == "invalid_model"


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\udcff", '{"name": "a"} b'])
def test_no_json(tmp_path, text):
    path = make_package(tmp_path / "tiny")
    (path / MANIFEST).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "cannot be read as JSON" in str(refusal(path))


@pytest.mark.parametrize("raw", ["[]", "7", "null", '"a"'])
def test_json_that_is_no_object(tmp_path, raw):
    path = make_package(tmp_path / "tiny")
    (path / MANIFEST).write_text(raw)
    assert "the manifest must be an object, got " in str(refusal(path))


def test_a_manifest_is_not_read_beyond_what_one_can_be(tmp_path):
    path = make_package(tmp_path / "tiny")
    (path / MANIFEST).unlink()
    (path / MANIFEST).symlink_to("/dev/zero")
    assert "a manifest has at most 4 MiB" in str(refusal(path))


def test_a_field_that_lacks_is_named(tmp_path):
    path = make_package(tmp_path / "tiny")
    raw = json.loads((path / MANIFEST).read_text())
    del raw["frames"], raw["latent"]
    (path / MANIFEST).write_text(json.dumps(raw))
    assert "the manifest lacks frames, latent" in str(refusal(path))


def test_found_by_name_then_by_path(tmp_path):
    path = make_package(tmp_path / "models" / "tiny")
    assert find_package("tiny", [tmp_path, tmp_path / "models"]) == path
    assert find_package(str(path)) == path


def test_an_unknown_name_lists_what_there_is(tmp_path):
    make_package(tmp_path / "tiny")
    with pytest.raises(AnyviewError, match=r"no model package 'huge' in .*there are: tiny"):
        find_package("huge", [tmp_path])
    with pytest.raises(AnyviewError, match="holds no manifest"):
        find_package(str(tmp_path / "nowhere"))


def test_a_speed_may_have_a_solver_reuse_and_clip_length_of_its_own(tmp_path):
    own = {"draft": {"solver": "dpmpp2m", "reuse": 0.1, "frames": 5}}
    path = make_package(tmp_path / "tiny")
    edit(path, sampling=own)
    contract = load_package(path).contract
    assert contract.sampled_by("draft") == Sampling("dpmpp2m", 0.1, 5)
    assert contract.sampled_by("") == contract.sampled_by("exact") == Sampling("euler")
    assert (contract.usual_frames("draft"), contract.usual_frames("")) == (5, 9)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"warp": {}}, "speeds that sigmas has"),
        ({"draft": {"solver": "rk4"}}, "solver must be one of"),
        ({"draft": {"reuse": 1.0}}, "reuse from 0"),
        ({"draft": {"frames": 7}}, "frames of a length"),
        ({"draft": {"colour": 1}}, "colour"),
    ],
)
def test_sampling_that_cannot_be(tmp_path, own, words):
    path = make_package(tmp_path / "tiny")
    edit(path, sampling=own)
    error = refusal(path)
    assert error.code == "invalid_model"
    assert words in str(error)
