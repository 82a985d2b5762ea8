"""Footage keeps the times it was taken at; poses are interpolated and never made up."""

from __future__ import annotations

import re
import struct
import zlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from anyview_ros.cli.__main__ import main
from anyview_ros.errors import AnyviewError
from anyview_ros.geometry import look_at, quaternion_xyzw
from anyview_ros.media.video import going_on, nearest_to_grid, open_footage, read_trajectory
from anyview_ros.media.video_writer import VideoWriter

MS = 1_000_000
PERIOD_NS = 100 * MS


def flat(value: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def noise(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (48, 64, 3), np.uint8)


def write_video(file: Path, times_ms: list[int]) -> Path:
    """Frame k is of brightness 20 + 10 k."""
    with VideoWriter(file, (64, 48)) as writer:
        for k, time_ms in enumerate(times_ms):
            writer.write(flat(20 + 10 * k), time_ms * MS)
    return file


def write_poses(file: Path, lines: list[str]) -> Path:
    file.write_text("# timestamp tx ty tz qx qy qz qw\n" + "\n".join(lines) + "\n")
    return file


def test_every_frame_of_a_slow_video_keeps_its_own_time(tmp_path: Path) -> None:
    times_ms = [0, 130, 250, 500, 590]
    footage = open_footage(write_video(tmp_path / "v.mp4", times_ms), PERIOD_NS)
    frames = list(footage.frames(PERIOD_NS))
    assert [time_ns for time_ns, _ in frames] == [t * MS for t in times_ms]
    assert [round(float(image.mean()), -1) for _, image in frames] == [20, 30, 40, 50, 60]
    assert footage.size == (64, 48)


def test_a_fast_video_gives_the_frames_nearest_to_the_grid(tmp_path: Path) -> None:
    times_ms = [0, 40, 80, 120, 160, 200, 240, 280]  # 25 Hz onto 10 Hz: 0, 100, 200, 300
    footage = open_footage(write_video(tmp_path / "v.mp4", times_ms), PERIOD_NS)
    taken = [round(time_ns / MS) for time_ns, _ in footage.frames(PERIOD_NS)]
    assert taken == [0, 80, 200, 280]


@given(st.lists(st.integers(0, 2_000 * MS), min_size=1, unique=True).map(sorted))
def test_the_grid_rule(times_ns: list[int]) -> None:
    taken = [t for t, _ in nearest_to_grid(((t, None) for t in times_ns), PERIOD_NS)]
    nearest: dict[int, int] = {}  # the rule again, slowly: of each grid point the nearest frame
    for t in times_ns:
        index = (t - times_ns[0] + PERIOD_NS // 2) // PERIOD_NS
        best = nearest.setdefault(index, t)
        target = times_ns[0] + index * PERIOD_NS
        if abs(t - target) < abs(best - target):
            nearest[index] = t
    assert taken == sorted(nearest.values())


def test_frames_that_go_back_in_time_are_dropped() -> None:
    frames = ((t * MS, t) for t in (0, 100, 90, 200))
    assert [t for _, t in nearest_to_grid(frames, PERIOD_NS)] == [0, 100, 200]


def joined(file: Path, *parts: tuple[int, int, int]) -> Path:
    """MPEG-TS joined as by `cat`: (width, frames 50 ms apart, first time in ms) of each part."""
    written = b""
    for part, (width, count, first_ms) in enumerate(parts):
        one = file.with_name(f"{part}.ts")
        with av.open(str(one), "w") as container:
            stream = container.add_stream("libx264", rate=20)
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            for k in range(count):
                frame = av.VideoFrame.from_ndarray(flat(60 * part + k, width), format="rgb24")
                frame.pts, frame.time_base = first_ms + 50 * k, Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        written += one.read_bytes()
    file.write_bytes(written)
    return file


def test_times_that_start_again_go_on_after_a_gap(tmp_path: Path) -> None:
    """Every frame of the second part is there, with its own distance to the next."""
    footage = open_footage(joined(tmp_path / "v.ts", (64, 30, 0), (64, 30, 0)), PERIOD_NS)
    frames = list(footage.frames(PERIOD_NS))
    first_ns = frames[0][0]
    places = [(time_ns - first_ns + PERIOD_NS // 2) // PERIOD_NS for time_ns, _ in frames]
    assert places == [*range(16), *range(17, 33)]  # the 30th, at 1.45 s, is nearest to 1.5 s
    assert [image.mean() > 45 for _, image in frames] == [False] * 16 + [True] * 16
    (joint,) = footage.joints
    assert re.fullmatch(r"after 1\.\d+ s times start again at 0\.\d+ s", joint)
    assert len(list(footage.frames(50 * MS))) == 60
    assert len(footage.joints) == 1


@given(
    st.lists(
        st.lists(st.integers(0, 2_000 * MS), min_size=2, max_size=9, unique=True).map(sorted),
        min_size=1,
        max_size=4,
    )
)
def test_times_go_on_as_they_were_within_each_part(parts: list[list[int]]) -> None:
    joints: list[str] = []
    frames = [(t, k) for k, part in enumerate(parts) for t in part]
    on = list(going_on(iter(frames), PERIOD_NS, joints.append))
    assert [k for _, k in on] == [k for _, k in frames]
    whole = [k for k, (a, b) in enumerate(pairwise(parts)) if a[-1] - b[0] > PERIOD_NS]
    assert len(joints) == len(whole)
    for k, part in enumerate(parts):
        times = [t for t, of in on if of == k]
        assert np.diff(times).tolist() == np.diff(part).tolist()
        if k - 1 in whole:
            gap = times[0] - max(t for t, of in on if of < k)
            assert 1.5 * PERIOD_NS <= gap <= 2.5 * PERIOD_NS


def test_a_phone_video_is_turned_upright(tmp_path: Path) -> None:
    image = flat(0)
    image[:, :32] = 255  # bright at the left
    file = tmp_path / "phone.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    footage = open_footage(file, PERIOD_NS)
    ((_, upright),) = footage.frames(PERIOD_NS)
    assert footage.size == (48, 64)
    # A quarter turn counter-clockwise brings the left side to the bottom.
    assert upright[:28].mean() < 20
    assert upright[36:].mean() > 230


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("phone.mp4", "libx265", "yuv420p10le"),
        ("cut_out.webm", "libvpx-vp9", "yuva420p"),
        ("screen.gif", "gif", "rgb8"),
        ("webcam.avi", "mjpeg", "yuvj420p"),
        ("odd.mkv", "ffv1", "bgr0"),
    ],
)
def test_whatever_can_be_decoded_is_read(
    tmp_path: Path, name: str, codec: str, pixels: str
) -> None:
    """Ten bits, an alpha channel, a palette, jpegs, odd sides."""
    size = (63, 47) if name.startswith("odd") else (64, 48)
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        for k in range(3):
            frame = av.VideoFrame.from_ndarray(flat(60 * k + 30, *size), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    footage = open_footage(tmp_path / name, PERIOD_NS)
    frames = list(footage.frames(PERIOD_NS))
    assert footage.size == size
    assert [round(time_ns / PERIOD_NS) for time_ns, _ in frames] == [0, 1, 2]
    bright = [float(image.mean()) for _, image in frames]
    np.testing.assert_allclose(bright, [30, 90, 150], atol=20 if codec == "gif" else 4)


def test_times_that_begin_late_begin_there(tmp_path: Path) -> None:
    footage = open_footage(write_video(tmp_path / "late.mkv", [5000, 5100, 5200]), PERIOD_NS)
    frames = list(footage.frames(PERIOD_NS))
    assert [int(image.mean() / 10 + 0.5) for _, image in frames] == [2, 3, 4]
    assert np.diff([time_ns for time_ns, _ in frames]).tolist() == [PERIOD_NS] * 2


def test_images_of_16_bits_and_turned_ones(tmp_path: Path) -> None:
    """A png is scaled to 8 bits; photographs are turned as EXIF says, unlike jpegs of cameras."""
    cv2.imwrite(str(tmp_path / "0.png"), np.full((48, 64, 3), 200 * 257, np.uint16))
    ((_, image),) = open_footage(tmp_path, PERIOD_NS).frames(PERIOD_NS)
    assert (image == 200).all()
    (tmp_path / "0.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is at the right
    Image.fromarray(flat(9)).save(tmp_path / "0.jpg", exif=exif)
    footage = open_footage(tmp_path, PERIOD_NS)
    ((_, image),) = footage.frames(PERIOD_NS)
    assert image.shape == (64, 48, 3)
    assert footage.size == (48, 64)


def test_images_without_times_are_a_period_apart_in_order_of_name(tmp_path: Path) -> None:
    for k, name in enumerate(["a_01.png", "a_02.png", "a_03.png"]):
        cv2.imwrite(str(tmp_path / name), flat(50 * k))
    (tmp_path / "notes.txt").write_text("not an image")
    frames = list(open_footage(tmp_path, PERIOD_NS).frames(PERIOD_NS))
    assert [time_ns for time_ns, _ in frames] == [0, PERIOD_NS, 2 * PERIOD_NS]
    assert [int(image[0, 0, 0]) for _, image in frames] == [0, 50, 100]


def test_numbers_in_names_sort_as_numbers(tmp_path: Path) -> None:
    for k in range(1, 13):
        cv2.imwrite(str(tmp_path / f"shot2_{k}.png"), flat(k))
    frames = open_footage(tmp_path, PERIOD_NS).frames(PERIOD_NS)
    assert [int(image[0, 0, 0]) for _, image in frames] == list(range(1, 13))


def test_names_that_are_times_are_the_times(tmp_path: Path) -> None:
    for name in ("1305031102.175304.png", "1305031102.275326.png"):
        cv2.imwrite(str(tmp_path / name), flat(1))
    frames = open_footage(tmp_path, PERIOD_NS).frames(PERIOD_NS)
    assert [t for t, _ in frames] == [1305031102175304000, 1305031102275326000]


def test_images_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "0.png"), red)
    ((_, image),) = open_footage(tmp_path, PERIOD_NS).frames(PERIOD_NS)
    assert image[0, 0].tolist() == [200, 0, 0]


def broken_footage(folder: Path) -> dict[str, tuple[Path, str, str]]:
    """What is given -> path, code, words of the message."""
    text = folder / "text.mp4"
    text.write_text("this is no video")
    empty = folder / "empty"
    empty.mkdir()
    raw = folder / "raw.h264"
    with av.open(str(raw), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(flat(9), format="rgb24")))
        container.mux(stream.encode(None))
    whole = folder / "whole.mp4"
    with av.open(str(whole), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(k), format="rgb24")))
        container.mux(stream.encode(None))
    cut = folder / "cut.mp4"  # the camera lost its power: the index at the end was not written
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with av.open(str(folder / "sound.wav"), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        silence.rate = 8000
        container.mux(sound.encode(silence))
    return {
        "nothing": (folder / "none.mp4", "no_such_file", "none.mp4"),
        "text": (text, "unreadable_video", "cannot be decoded as video"),
        "empty folder": (empty, "unreadable_video", "holds no image"),
        "raw stream": (raw, "unreadable_video", "put it into a container"),
        "cut": (cut, "unreadable_video", "cannot be decoded as video"),
        "sound": (folder / "sound.wav", "unreadable_video", "no video"),
    }


@pytest.mark.parametrize(
    "given_path", ["nothing", "text", "empty folder", "raw stream", "cut", "sound"]
)
def test_unusable_footage_is_refused_by_name(tmp_path: Path, given_path: str) -> None:
    path, code, words = broken_footage(tmp_path)[given_path]
    with pytest.raises(AnyviewError, match=words) as caught:
        open_footage(path, PERIOD_NS)
    assert caught.value.code == code


def bomb(width: int) -> bytes:
    """A png that says that it is so large, and has nothing to show."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, width, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bomb(8_000), r"\(8000x8000 pixels are more than 36000000\)"),
        (bomb(30_000), r"\(.* \(900000000 pixels\) exceeds limit"),  # OpenCV would raise
        (b"text", r"\(cannot identify"),
    ],
    ids=("large", "huge", "text"),
)
def test_an_image_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "0.png").write_bytes(content)
    convert = ["convert", "video", str(tmp_path), "--hfov", "60", "--out", str(tmp_path / "out")]
    assert main(convert) == 1
    (line,) = (each for each in capsys.readouterr().err.splitlines() if "error" in each)
    said = rf"'.*0\.png' cannot be read as an image {words}"
    assert re.match(rf"error \[unreadable_video\]: {said}", line)
    assert line.endswith("; restore or remove it")


def test_images_of_two_sizes_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), flat(1))
    cv2.imwrite(str(tmp_path / "1.png"), flat(1, width=32))
    with pytest.raises(AnyviewError, match=r"64x48; .*1\.png' is 32x48"):
        list(open_footage(tmp_path, PERIOD_NS).frames(PERIOD_NS))


def test_a_trajectory_is_interpolated_and_never_extrapolated(tmp_path: Path) -> None:
    poses = [look_at((0, 0, 2), (5, 0, 1)), look_at((2, 1, 2), (5, 0, 1))]
    lines = [
        " ".join(map(str, (time, *pose[:3, 3], *quaternion_xyzw(pose))))
        for time, pose in zip((0.5, 1.5), poses, strict=True)
    ]
    trajectory = read_trajectory(write_poses(tmp_path / "poses.txt", lines))
    for time_ns, pose in zip((500 * MS, 1500 * MS), poses, strict=True):
        np.testing.assert_allclose(trajectory.at(time_ns), pose, atol=1e-12)
    middle = trajectory.at(1000 * MS)
    assert middle is not None
    np.testing.assert_allclose(middle[:3, 3], (1, 0.5, 2))
    assert trajectory.at(500 * MS - 1) is None
    assert trajectory.at(1500 * MS + 1) is None


def test_one_pose_holds_at_all_times(tmp_path: Path) -> None:
    trajectory = read_trajectory(write_poses(tmp_path / "poses.txt", ["3 1 2 3 0 0 0 1"]))
    for time_ns in (0, 3_000 * MS, 10**15):
        pose = trajectory.at(time_ns)
        assert pose is not None
        assert pose[:3, 3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["0 1 2 3 0 0 0"], r"poses\.txt:2: need 'timestamp tx .*7 numbers"),
        (["0 0 0 0 0 0 0 1", "1 0 0 0 0 0 0 0"], r"poses\.txt:3: .*unit quaternion"),
        (["0 a 0 0 0 0 0 1"], r"poses\.txt:2: .*could not convert"),
        (["1 0 0 0 0 0 0 1", "1 0 0 0 0 0 0 1"], r"poses\.txt:3: timestamps must increase"),
        ([], "holds no pose"),
    ],
)
def test_unusable_poses_name_their_line(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(AnyviewError, match=words) as caught:
        read_trajectory(write_poses(tmp_path / "poses.txt", lines))
    assert caught.value.code == "invalid_poses"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_poses_as_windows_writes_them(tmp_path: Path, encoding: str) -> None:
    """PowerShell's `>` writes UTF-16, its editors a byte order mark."""
    file = tmp_path / "poses.txt"
    file.write_bytes("0 1 2 3 0 0 0 1\r\n1 1 2 3 0 0 0 1\r\n# Über\r\n".encode(encoding))
    assert read_trajectory(file).times_ns == (0, 1000 * MS)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-16-be", "utf-32"])
def test_poses_in_another_encoding_are_refused_by_name(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "poses.txt"
    file.write_bytes("0 1 2 3 0 0 0 1 # ä\n".encode(encoding))
    with pytest.raises(AnyviewError, match="must be text in UTF-8") as caught:
        read_trajectory(file)
    assert caught.value.code == "invalid_poses"


def test_times_of_poses_do_not_lose_digits(tmp_path: Path) -> None:
    lines = ["1305031102.175304 0 0 0 0 0 0 1", "1305031102.175305 0 0 0 0 0 0 1"]
    trajectory = read_trajectory(write_poses(tmp_path / "poses.txt", lines))
    assert [b - a for a, b in pairwise(trajectory.times_ns)] == [1000]
