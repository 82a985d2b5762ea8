"""The way of one camera's images into the buffer, with a steady clock and TF in our hands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anyview_ros.clips.frame_buffer import BufferLimits
from anyview_ros.clips.intake import camera_intake, image_preparation
from anyview_ros.clips.intake.camera_intake import CameraIntake
from anyview_ros.clips.intake.intake_config import IntakeConfig
from anyview_ros.clips.intake.source_options import SourceOptions
from anyview_ros.clips.keyframe_store import MemoryLimits
from anyview_ros.contract import Contract
from anyview_ros.errors import AnyviewError
from anyview_ros.frames import Camera
from anyview_ros.geometry import rigid
from anyview_ros.imaging.resize import resize_image
from anyview_ros.node.messages import image_message, info_message
from anyview_ros.packages import load_package
from tests.packages import make_package

MS = 1_000_000
CAMERA = Camera(64, 48, 50.0, 51.0, 33.0, 25.0)
LIMITS = BufferLimits(max_age_ns=5000 * MS, max_frames=40, max_bytes=10**8)
OPTIONS = SourceOptions("front", "/front/image_raw", "/front/camera_info", "odom", LIMITS)


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return tiny_contract(tmp_path_factory.mktemp("models"))


def tiny_contract(folder: Path) -> Contract:
    """Sizes 24x32 and 32x32 (H, W), a frame every 0.1 s."""
    return load_package(make_package(folder / "tiny")).contract


class Bench:
    """An intake whose clock and TF the test moves by hand."""

    def __init__(self, config: IntakeConfig, options: SourceOptions = OPTIONS) -> None:
        self.now_ns = 10**12
        self.tf_error = ""
        self.tf_until_ns = 10**18
        self.epochs: list[tuple[str, str]] = []
        self.intake = CameraIntake(
            options, config, self.lookup, lambda *epoch: self.epochs.append(epoch), self.now
        )

    def now(self) -> int:
        return self.now_ns

    def lookup(self, target: str, source: str, stamp_ns: int) -> NDArray[np.float64]:
        assert (target, source) == ("odom", "front_optical_frame")
        if self.tf_error:
            raise AnyviewError(self.tf_error, "TF says no")
        if stamp_ns > self.tf_until_ns:
            raise AnyviewError("tf_waiting", "not yet")
        return rigid(np.eye(3), (stamp_ns / 1e9, 0.0, 0.0))

    def image(self, at_ms: int, value: int = 0) -> None:
        self.intake.on_image(image(at_ms, value))

    def info(self, at_ms: int, camera: Camera = CAMERA) -> None:
        self.intake.on_info(info(at_ms, camera))

    def pair(self, at_ms: int) -> None:
        self.image(at_ms)
        self.info(at_ms)

    def pass_ms(self, duration_ms: int) -> None:
        self.now_ns += duration_ms * MS
        self.intake.retry()

    @property
    def counts(self) -> dict[str, int]:
        snapshot = self.intake.ledger.snapshot()
        assert snapshot.balanced
        return {
            "pending": snapshot.pending_tf,
            "buffered": snapshot.buffered,
            **snapshot.dropped,
        }

    @property
    def problems(self) -> dict[str, str]:
        return {problem.code: problem.text for problem in self.intake.status().problems}


def image(at_ms: int, value: int = 0) -> Image:
    pixels = np.full((CAMERA.height, CAMERA.width, 3), value, np.uint8)
    return image_message(pixels, at_ms * MS, "front_optical_frame")


def info(at_ms: int, camera: Camera = CAMERA) -> CameraInfo:
    return info_message(camera, at_ms * MS, "front_optical_frame")


@pytest.fixture
def bench(contract: Contract) -> Bench:
    return Bench(IntakeConfig.of(contract))


def test_a_frame_is_stored_at_the_models_size_with_its_pose(bench: Bench) -> None:
    stereo = info(2000)
    stereo.p[3] = -0.12 * CAMERA.fx
    bench.image(2000, value=77)
    bench.intake.on_info(stereo)
    (frame,) = bench.intake.buffer.clip(0, 1, 100 * MS).frames
    assert frame.stamp_ns == 2000 * MS
    assert frame.camera == CAMERA.resized(32, 24)
    assert (frame.image == 77).all()
    np.testing.assert_allclose(frame.world_from_cam[:3, 3], (2.12, 0, 0))
    assert bench.counts == {"pending": 0, "buffered": 1}
    view, frame_id = bench.intake.last_camera or (None, "")
    assert view is not None
    assert (view.camera, frame_id) == (CAMERA, "front_optical_frame")


def test_a_frame_waits_for_its_transform(bench: Bench) -> None:
    bench.tf_until_ns = 1000 * MS
    bench.pair(2000)
    bench.pair(2100)
    assert bench.counts == {"pending": 2, "buffered": 0}
    bench.tf_until_ns = 2050 * MS
    bench.intake.retry()
    assert bench.counts == {"pending": 1, "buffered": 1}
    bench.tf_until_ns = 3000 * MS
    bench.intake.retry()
    assert bench.counts == {"pending": 0, "buffered": 2}


@pytest.mark.parametrize(
    "code", ["tf_waiting", "tf_unknown_frame", "tf_disconnected", "tf_expired", "tf_loop"]
)
def test_a_frame_whose_transform_never_comes_is_dropped_by_reason(bench: Bench, code: str) -> None:
    bench.tf_error = code
    bench.pair(2000)
    bench.pass_ms(900)
    bench.pair(2900)
    assert bench.counts == {"pending": 2, "buffered": 0}
    bench.pass_ms(100)
    assert bench.counts == {"pending": 1, "buffered": 0, code: 1}
    text = "'/front/image_raw': TF says no (waited 1.0 s; does everything run on one clock"
    assert bench.problems[code].startswith(text)


def test_one_lookup_a_retry_while_transforms_lack(bench: Bench) -> None:
    bench.tf_until_ns = 1000 * MS
    for k in range(8):
        bench.pair(2000 + 100 * k)
    asked: list[int] = []
    bench.intake._lookup = lambda *query: (asked.append(query[2]), bench.lookup(*query))[1]
    bench.intake.retry()
    assert asked == [2000 * MS]


def test_too_many_waiting_frames_are_named(bench: Bench) -> None:
    bench.tf_error = "tf_waiting"
    for k in range(70):
        bench.pair(2000 + 100 * k)
    assert bench.counts == {"pending": 64, "buffered": 0, "pending_overflow": 6}


def test_the_info_of_the_stamp_is_waited_for(bench: Bench) -> None:
    zoomed = replace(CAMERA, fx=80.0)
    bench.info(1900)
    bench.image(2000)
    assert bench.counts == {"pending": 1, "buffered": 0}
    bench.info(2000, zoomed)
    (frame,) = bench.intake.buffer.clip(0, 1, 100 * MS).frames
    assert frame.camera.fx == pytest.approx(40.0)
    assert not bench.problems


def test_an_info_may_come_before_its_image(bench: Bench) -> None:
    bench.info(2000)
    bench.info(2100)
    bench.image(2000)
    assert bench.counts == {"pending": 0, "buffered": 1}


def test_without_the_info_of_the_stamp_the_latest_is_used_and_said(bench: Bench) -> None:
    bench.info(1900)
    bench.info(1950)
    bench.image(2000)
    bench.pass_ms(99)
    assert bench.counts == {"pending": 1, "buffered": 0}
    bench.pass_ms(1)
    assert bench.counts == {"pending": 0, "buffered": 1}
    assert (
        "'/front/image_raw': camera info does not come with the stamps"
        in (bench.problems["camera_info_not_paired"])
    )
    bench.image(2100)  # from now on nothing is waited for
    assert bench.counts == {"pending": 0, "buffered": 2}


def test_infos_that_pair_again_are_waited_for_again(bench: Bench) -> None:
    bench.info(1950)
    bench.image(2000)
    bench.pass_ms(100)
    bench.pair(2100)  # the info comes too late for its image, but shows that it comes
    bench.image(2200)
    assert bench.counts == {"pending": 1, "buffered": 2}
    bench.info(2200)
    assert bench.counts == {"pending": 0, "buffered": 3}


def test_the_latest_info_that_fits_is_used(bench: Bench) -> None:
    other_size = Camera(32, 24, 25.0, 25.0, 16.0, 12.0)
    other_frame = info(1960)
    other_frame.header.frame_id = "rear_optical_frame"
    bench.info(1940, replace(CAMERA, fx=70.0))
    bench.info(1950)
    bench.intake.on_info(other_frame)
    bench.info(1970, other_size)
    bench.image(2000)
    bench.pass_ms(100)
    (frame,) = bench.intake.buffer.clip(0, 1, 100 * MS).frames
    assert frame.camera == CAMERA.resized(32, 24)


def test_without_any_camera_info_frames_are_dropped(bench: Bench) -> None:
    bench.image(2000)
    bench.pass_ms(999)
    assert bench.counts == {"pending": 1, "buffered": 0}
    bench.pass_ms(1)
    assert bench.counts == {"pending": 0, "buffered": 0, "no_camera_info": 1}
    assert (
        "no camera info has come on '/front/camera_info'; start its publisher"
        in (bench.problems["no_camera_info"])
    )


def test_camera_info_that_does_not_belong_to_the_image_is_refused(bench: Bench) -> None:
    wrong_frame = info(2000)
    wrong_frame.header.frame_id = "base_link"
    bench.intake.on_info(wrong_frame)
    bench.image(2000)
    bench.info(2100, Camera(32, 24, 25.0, 25.0, 16.0, 12.0))
    bench.image(2100)
    assert bench.counts == {
        "pending": 0,
        "buffered": 0,
        "frame_id_mismatch": 1,
        "size_mismatch": 1,
    }
    assert "got 'front_optical_frame' and 'base_link'" in bench.problems["frame_id_mismatch"]
    assert "image is 64x48, its camera info" in bench.problems["size_mismatch"]
    assert "says 32x24" in bench.problems["size_mismatch"]


def test_refused_messages_are_counted_by_reason_and_named_with_the_topic(bench: Bench) -> None:
    uncalibrated = info(2000)
    uncalibrated.k = uncalibrated.r = [0.0] * 9
    uncalibrated.p = [0.0] * 12
    bench.image(2000)
    bench.intake.on_info(uncalibrated)
    depth = image(2100)
    depth.encoding = "16UC1"
    bench.intake.on_image(depth)
    bench.image(0)
    assert bench.counts == {
        "pending": 0,
        "buffered": 0,
        "uncalibrated_camera": 1,
        "unsupported_encoding": 1,
        "zero_stamp": 1,
    }
    for code in ("uncalibrated_camera", "unsupported_encoding", "zero_stamp"):
        assert bench.problems[code].startswith("'/front/image_raw': ")


def coded(at_ms: int, pixels: NDArray[np.uint8], suffix: str = ".jpg") -> CompressedImage:
    ok, content = cv2.imencode(suffix, pixels[..., ::-1])
    assert ok
    message = CompressedImage(header=image(at_ms).header, format=suffix[1:])
    message.data = content.tobytes()
    return message


def test_compressed_images_are_decoded_at_once_and_the_rest_is_as_raw(contract: Contract) -> None:
    bench = Bench(IntakeConfig.of(contract), replace(OPTIONS, transport="compressed"))
    ramp = np.linspace(40, 200, CAMERA.width * CAMERA.height * 3)
    pixels = ramp.reshape(CAMERA.height, CAMERA.width, 3).astype(np.uint8)
    for at_ms, suffix in ((2000, ".png"), (2100, ".jpg")):
        bench.intake.on_image(coded(at_ms, pixels, suffix))
        bench.info(at_ms)
    png, jpeg = (bench.intake.buffer.clip(ms * MS, 1, 100 * MS).frames[0] for ms in (2000, 2100))
    np.testing.assert_array_equal(png.image, resize_image(pixels, (24, 32), "area"))
    assert png.camera == jpeg.camera == CAMERA.resized(32, 24)
    assert np.abs(jpeg.image.astype(int) - png.image).mean() < 2
    assert bench.counts == {"pending": 0, "buffered": 2}


def test_compressed_nonsense_is_counted_and_the_next_image_is_the_same(contract: Contract) -> None:
    bench = Bench(IntakeConfig.of(contract), replace(OPTIONS, transport="compressed"))
    good = np.full((CAMERA.height, CAMERA.width, 3), 90, np.uint8)
    truncated, renamed, empty = coded(2100, good), coded(2200, good), coded(2300, good)
    truncated.data = truncated.data[: len(truncated.data) // 2]
    renamed.data = b"BM" + bytes(200)
    empty.data = b""
    for message in (coded(2000, good), truncated, renamed, empty, coded(2400, good)):
        bench.intake.on_image(message)
        bench.info(message.header.stamp.nanosec // MS + 2000)
    assert bench.counts == {
        "pending": 0,
        "buffered": 2,
        "invalid_image": 1,
        "unsupported_encoding": 2,
    }
    first, last = (bench.intake.buffer.clip(ms * MS, 1, 100 * MS).images for ms in (2000, 2400))
    assert first.tobytes() == last.tobytes()


def test_images_are_rectified_by_the_info_of_their_own_stamp(bench: Bench) -> None:
    """The lens changes with the third image; each is seen through its own, whoever comes first."""
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    for k in range(4):
        at_ms = 2000 + 100 * k
        distorted = info(at_ms)
        distorted.d = [-0.3, 0.1, 0.0, 0.0, 0.0] if k < 2 else [0.2, 0.0, 0.0, 0.0, 0.0]
        arrivals = [
            lambda ms=at_ms: bench.intake.on_image(
                image_message(pixels, ms * MS, "front_optical_frame")
            ),
            lambda message=distorted: bench.intake.on_info(message),
        ]
        for arrive in arrivals if k % 2 else reversed(arrivals):
            arrive()
    seen = [
        bench.intake.buffer.clip((2000 + 100 * k) * MS, 1, 100 * MS).images[0] for k in range(4)
    ]
    plain = resize_image(pixels, (24, 32), "area")
    assert np.array_equal(seen[0], seen[1])
    assert np.array_equal(seen[2], seen[3])
    for one, other in ((seen[0], seen[2]), (seen[0], plain), (seen[2], plain)):
        assert np.abs(one.astype(int) - other).max() > 20


def test_a_black_border_is_told(bench: Bench) -> None:
    for at_ms, scale in ((2000, 1.0), (2100, 0.7)):
        distorted = info(at_ms)
        distorted.d = [-0.1, 0.0, 0.0, 0.0, 0.0]
        distorted.p[0] *= scale
        distorted.p[5] *= scale
        bench.image(at_ms, 90)
        bench.intake.on_info(distorted)
        if scale == 1:
            assert "rectified_border" not in bench.problems
    assert bench.counts["buffered"] == 2
    assert "'/front/image_raw': " in bench.problems["rectified_border"]
    assert "45 % of the rectified image lies outside" in bench.problems["rectified_border"]


def test_another_calibration_is_told_and_no_clip_goes_across(bench: Bench) -> None:
    for at_ms in (2000, 2100, 2200, 2300, 2400):
        bench.pair(at_ms)
    zoomed = replace(CAMERA, fx=60.0)
    for at_ms in (2500, 2600, 2700, 2800, 2900):
        bench.image(at_ms)
        bench.info(at_ms, zoomed)
    text = "the calibration changed at 2.500 s (fx 25.0 to 30.0 at the size it is kept at)"
    assert text in bench.problems["calibration_changed"]
    buffer = bench.intake.buffer
    assert len(buffer.clip(2400 * MS, 5, 100 * MS)) == len(buffer.clip(0, 5, 100 * MS)) == 5
    with pytest.raises(AnyviewError, match=r"changed at 2\.500 s \(fx 25\.0 to 30\.0") as error:
        buffer.clip(2600 * MS, 5, 100 * MS)
    assert error.value.code == "calibration_changed"


def test_a_calibration_that_follows_the_focus_is_one_camera(bench: Bench) -> None:
    for k in range(5):
        bench.image(2000 + 100 * k)
        bench.info(2000 + 100 * k, replace(CAMERA, fx=CAMERA.fx + 0.1 * k))
    assert not bench.problems
    clip = bench.intake.buffer.clip(0, 5, 100 * MS)
    assert clip.frames[4].camera.fx == pytest.approx((CAMERA.fx + 0.4) / 2)


def test_images_that_change_their_size_are_told_and_counted(bench: Bench) -> None:
    """Half the size is the same camera to the model, a square one is not."""
    half, square = CAMERA.resized(32, 24), Camera(48, 48, 50.0, 50.0, 23.5, 23.5)
    for k, camera in enumerate([CAMERA, CAMERA, half, half, half, square]):
        at_ms = 2000 + 100 * k
        pixels = np.full((camera.height, camera.width, 3), 9, np.uint8)
        bench.intake.on_image(image_message(pixels, at_ms * MS, "front_optical_frame"))
        bench.info(at_ms, camera)
        if k == 2:
            assert "changed from 64x48 to 32x24 at 2.200 s" in bench.problems["size_changed"]
            assert "calibration_changed" not in bench.problems
    assert bench.counts == {"pending": 0, "buffered": 6}
    assert "changed from 32x24 to 48x48 at 2.500 s" in bench.problems["size_changed"]
    assert len(bench.intake.buffer.clip(2400 * MS, 5, 100 * MS)) == 5
    with pytest.raises(AnyviewError, match="size 32x24 to 32x32") as error:
        bench.intake.buffer.clip(0, 5, 100 * MS)
    assert error.value.code == "calibration_changed"


def test_images_without_info_do_not_fill_the_memory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_intake, "MAX_UNDECODED_BYTES", 3 * len(image(1).data))
    for k in range(5):
        bench.image(2000 + 100 * k)
    assert bench.counts == {"pending": 3, "buffered": 0, "no_camera_info": 2}
    bench.info(2400)
    assert bench.counts["pending"] == 2, "the info of their stamp may come"
    bench.pass_ms(100)
    assert bench.counts == {"pending": 0, "buffered": 3, "no_camera_info": 2}


def test_a_frame_keeps_nothing_of_its_message(bench: Bench) -> None:
    """At the model's size nothing is to do, but the message's memory belongs to its topic."""
    small = CAMERA.resized(32, 24)
    message = image_message(np.full((24, 32, 3), 7, np.uint8), 2000 * MS, "front_optical_frame")
    bench.intake.on_image(message)
    bench.info(2000, small)
    message.data[0] = 255
    assert (bench.intake.buffer.clip(0, 1, 100 * MS).images == 7).all()


@pytest.mark.parametrize(
    ("source_size", "kept"),
    [(0, (32, 24)), (20, (32, 24)), (40, (40, 30)), (64, (64, 48)), (640, (64, 48))],
)
def test_for_detail_frames_are_kept_larger_than_the_model_reads_them(
    contract: Contract, source_size: int, kept: tuple[int, int]
) -> None:
    """Never smaller than it reads them, and never larger than the camera sends them."""
    swept = replace(contract, plane_sweep=(0.5, 1.0), sweep_weights=True)
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for model, size in ((swept, kept), (contract, (32, 24))):
        bench = Bench(IntakeConfig.of(model, source_size))
        bench.intake.on_image(image_message(noise, 2000 * MS, "front_optical_frame"))
        bench.info(2000)
        (frame,) = bench.intake.buffer.clip(0, 1, 100 * MS).frames
        assert frame.camera == CAMERA.resized(*size)
        np.testing.assert_array_equal(frame.image, resize_image(noise, size[::-1], "area"))


def test_keyframes_outlive_the_buffer_and_are_accounted_for(contract: Contract) -> None:
    remembered = MemoryLimits(max_age_ns=20_000 * MS, max_bytes=10**8, jump_m=2.0)
    bench = Bench(replace(IntakeConfig.of(contract), memory=remembered))
    for at_ms in range(2000, 12000, 100):
        bench.pair(at_ms)
    bench.tf_error = "tf_broken"
    bench.pair(12000)
    assert bench.counts == {"pending": 0, "buffered": 40 + 12, "tf_broken": 1}
    assert bench.intake.status().keyframes == 20
    bench.pair(1000)
    assert bench.epochs
    assert bench.counts["buffered"] == 0


def test_a_stream_declared_rectified_may_have_distortion(contract: Contract) -> None:
    bench = Bench(IntakeConfig.of(contract), replace(OPTIONS, rectify="off"))
    distorted = info(2000)
    distorted.d = [-0.3, 0.1, 0.0, 0.0, 0.0]
    bench.image(2000)
    bench.intake.on_info(distorted)
    assert bench.counts == {"pending": 0, "buffered": 1}


def test_frames_that_no_grid_needs_are_not_decoded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    decode: Callable[[Image], NDArray[np.uint8]] = image_preparation.decode
    monkeypatch.setattr(image_preparation, "decode", lambda m: (decoded.append(1), decode(m))[1])
    for k in range(31):
        bench.pair(2000 + round(k * 1000 / 30))
    assert len(decoded) == 11
    assert bench.counts == {"pending": 0, "buffered": 11, "off_grid": 20}
    assert not bench.problems
    assert bench.intake.status().rate_hz == pytest.approx(30, rel=0.02)
    assert len(bench.intake.buffer.clip(0, 9, 100 * MS)) == 9


def test_a_small_step_back_is_a_reordering(bench: Bench) -> None:
    for at_ms in (2000, 2200, 2100, 2200, 1300):
        bench.pair(at_ms)
    assert bench.counts == {
        "pending": 0,
        "buffered": 2,
        "out_of_order": 2,
        "duplicate_stamp": 1,
    }
    assert not bench.epochs


def test_a_large_step_back_is_a_new_epoch(bench: Bench) -> None:
    for at_ms in (5000, 5100, 5200):
        bench.pair(at_ms)
    bench.tf_until_ns = 5200 * MS
    bench.pair(5300)
    epoch = bench.intake.buffer.epoch
    bench.pair(4000)
    assert bench.epochs == [("front", "header stamps jumped back from 5.300 s to 4.000 s")]
    assert bench.intake.buffer.epoch == epoch + 1
    assert bench.intake.buffer.newest_ns == 4000 * MS
    assert bench.counts == {"pending": 0, "buffered": 1, "clock_jump": 1}
    assert bench.intake.ledger.snapshot().retired_unused == 3
    bench.pair(4100)
    assert bench.counts["buffered"] == 2


def test_a_looped_recording_with_one_camera_info_goes_on(bench: Bench) -> None:
    bench.info(5000)
    bench.image(5000)
    bench.image(5100)
    bench.pass_ms(100)
    bench.image(1000)
    bench.pass_ms(100)
    assert bench.counts == {"pending": 0, "buffered": 1}


def test_a_reset_starts_over_at_any_stamp(bench: Bench) -> None:
    bench.pair(5000)
    bench.tf_error = "tf_waiting"
    bench.pair(5100)
    epoch = bench.intake.buffer.epoch
    bench.intake.reset("simulation time jumped")
    assert bench.counts == {"pending": 0, "buffered": 0, "clock_jump": 1}
    assert "simulation time jumped" in bench.problems["clock_jump"]
    bench.tf_error = ""
    bench.pair(4900)
    assert bench.counts["buffered"] == 1
    assert bench.intake.buffer.epoch == epoch + 1
    assert not bench.epochs


def test_lost_images_show_in_the_stamps(bench: Bench) -> None:
    for k in range(20):
        if k not in (7, 8, 15):
            bench.pair(2000 + 100 * k)
    text = bench.problems["stamp_gaps"]
    assert "'/front/image_raw': header stamps show 3 images missing among the last 20" in text
    assert "at 10.0 Hz" in text
    assert "FASTDDS_DEFAULT_PROFILES_FILE" in text


def test_a_steady_stream_has_no_problems(bench: Bench) -> None:
    for k in range(20):
        bench.pair(2000 + 100 * k + (k % 3) * 10)
    assert not bench.problems


def test_a_problem_that_is_over_is_not_told(bench: Bench) -> None:
    bench.image(0)
    assert "zero_stamp" in bench.problems
    bench.pass_ms(4999)
    assert "zero_stamp" in bench.problems
    bench.pass_ms(1)
    assert not bench.problems


class AnyOrder(RuleBasedStateMachine):
    """Whatever comes in whatever order: every image is in exactly one account."""

    contract: Contract

    def __init__(self) -> None:
        super().__init__()
        limits = BufferLimits(max_age_ns=1500 * MS, max_frames=9, max_bytes=10**8)
        self.bench = Bench(IntakeConfig.of(self.contract), replace(OPTIONS, limits=limits))
        self.sent = 0
        self.at_ms = 5000

    @rule(step_ms=st.sampled_from([33, 50, 100, 130, 700, 0, -40, -1500]), with_info=st.booleans())
    def an_image(self, step_ms: int, with_info: bool) -> None:
        self.at_ms = max(self.at_ms + step_ms, 1)
        self.sent += 1
        self.bench.image(self.at_ms)
        if with_info:
            self.bench.info(self.at_ms)

    @rule(encoding=st.sampled_from(["16UC1", "mono8"]))
    def a_broken_image(self, encoding: str) -> None:
        broken = image(self.at_ms + 1)
        broken.encoding = encoding
        self.sent += 1
        self.bench.intake.on_image(broken)

    @rule(small=st.booleans())
    def an_info(self, small: bool) -> None:
        self.bench.info(self.at_ms, CAMERA.resized(32, 24) if small else CAMERA)

    @rule(error=st.sampled_from(["", "tf_waiting", "tf_expired", "tf_unknown_frame"]))
    def transforms_change(self, error: str) -> None:
        self.bench.tf_error = error
        self.bench.intake.retry()

    @rule(duration_ms=st.sampled_from([10, 100, 600, 1500]))
    def time_passes(self, duration_ms: int) -> None:
        self.bench.pass_ms(duration_ms)

    @rule(num_frames=st.sampled_from([1, 5]))
    def a_clip_is_cut(self, num_frames: int) -> None:
        try:
            clip = self.bench.intake.buffer.clip(0, num_frames, 100 * MS)
        except AnyviewError:
            return
        assert len(clip) == num_frames

    @rule()
    def the_clock_jumps(self) -> None:
        self.bench.intake.reset("jump")

    @invariant()
    def the_ledger_balances(self) -> None:
        snapshot = self.bench.intake.ledger.snapshot()
        assert snapshot.balanced
        assert snapshot.received == self.sent
        assert snapshot.buffered == len(self.bench.intake.buffer) <= 9
        assert snapshot.pending_tf == len(self.bench.intake._pending)
        assert snapshot.dropped.get("tf_invalid", 0) == 0


def test_the_ledger_balances_in_any_order(contract: Contract) -> None:
    AnyOrder.contract = contract
    machine = AnyOrder.TestCase()
    machine.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
    machine.runTest()


@pytest.mark.parametrize(("width", "height"), [(2048, 1), (1, 2048), (8192, 6)])
def test_a_strip_is_an_image_too(contract: Contract, width: int, height: int) -> None:
    """As of a line-scan camera. Kept for its detail, it would be less than a pixel wide."""
    bench = Bench(replace(IntakeConfig.of(contract), source_size=640))
    lens = Camera(width, height, 500.0, 500.0, width / 2, height / 2)
    bench.intake.on_image(
        image_message(np.zeros((height, width, 3), np.uint8), 10**9, "front_optical_frame")
    )
    bench.intake.on_info(info_message(lens, 10**9, "front_optical_frame"))
    assert bench.counts["buffered"] == 1


def test_a_bug_that_an_image_meets_costs_this_image(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(IntakeConfig.of(contract))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("of what?")

    with monkeypatch.context() as patch:
        patch.setattr(camera_intake.ImagePreparer, "prepare", broken)
        bench.pair(1000)
    bench.pair(1100)
    assert (bench.counts["buffered"], bench.counts["internal_error"]) == (1, 1)
