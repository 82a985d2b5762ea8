"""The report finds the figures of a recording that were put into it, and every planted fault."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from std_msgs.msg import String

from anyview_ros.cli.__main__ import main
from anyview_ros.cli.report import JSON_KEYS
from anyview_ros.datasets.bag import Bag
from anyview_ros.demo.comparison import Compared
from anyview_ros.demo.definitions import Definitions
from anyview_ros.demo.pictures import ClipVideo, ContactSheet
from anyview_ros.demo.report import NO_LEDGER, NO_VIRTUAL_CAMERA, Report, report_of
from anyview_ros.demo.report_files import write_report
from anyview_ros.demo.truth import Truth
from anyview_ros.geometry import rigid
from anyview_ros.worlds.street.street_rig import STREET_RIG
from tests.datasets.recording import BASE_FROM_VIRTUAL, ERROR, LEDGER, STAMPS, Recording, seen

MIDDLE = STAMPS[4]


def report(recording: Recording, folder: Path) -> Report:
    with Bag(recording.write(folder / "bag")) as bag:
        return report_of(bag, Truth.of(bag))


def test_a_good_recording(tmp_path: Path) -> None:
    found = report(Recording(), tmp_path)
    assert found.faults == ()
    assert found.truth == "rendered from the world 'street', seed 5"
    front, left = found.sources["front"], found.virtual["left"]
    assert (front.images, front.infos, front.unpaired, front.gaps) == (9, 9, 0, 0)
    assert (left.stream.images, left.wrong_stamps, left.without_provenance) == (9, 0, 0)
    assert (left.sources, left.model, left.steps) == (("front",), "tiny", 4)
    assert left.stages_s == {"queue_s": 0.1, "condition_s": 0.2, "denoise_s": 0.3, "decode_s": 0.4}
    assert left.latency_s == 1.5
    assert found.ledgers == {"front": LEDGER}


def test_psnr_beside_the_baselines(tmp_path: Path) -> None:
    quality = report(Recording(), tmp_path).virtual["left"].quality
    assert quality is not None
    assert quality.frames == 9
    # Every value is wrong by 8 of 255, so the definition of PSNR gives the figure.
    assert quality.virtual == pytest.approx(20 * math.log10(255 / ERROR), abs=0.02)
    copies, colours = [], []
    for stamp in STAMPS:
        truth, source = seen(stamp, BASE_FROM_VIRTUAL), seen(stamp, STREET_RIG[0].link_from_cam)
        copies.append(decibels(source, truth))
        colours.append(decibels(np.rint(source.mean(axis=(0, 1))), truth))
    assert quality.copy_of_source == pytest.approx(fmean(copies), abs=0.02)
    assert quality.mean_colour == pytest.approx(fmean(colours), abs=0.02)


def decibels(image: np.ndarray, truth: np.ndarray) -> float:
    squared = (np.asarray(image, np.float64) - truth) ** 2
    return 10 * math.log10(255**2 / squared.mean())


def test_the_truth_is_of_the_pose_in_the_bag(tmp_path: Path) -> None:
    moved = rigid(np.eye(3), (0.0, -1.0, 0.0)) @ BASE_FROM_VIRTUAL
    quality = report(Recording(base_from_virtual=moved), tmp_path).virtual["left"].quality
    assert quality is not None
    assert quality.virtual < 25


def test_a_wrong_stamp(tmp_path: Path) -> None:
    recording = Recording()
    wrong = MIDDLE + 1  # one nanosecond
    recording.virtual[4] = recording.provenance[4] = (wrong, MIDDLE)
    recording.virtual_infos[4] = wrong
    found = report(recording, tmp_path)
    assert found.virtual["left"].wrong_stamps == 1
    assert "left: 1 frames whose stamp is no source frame's" in found.faults


def test_a_source_frame_that_was_never_recorded(tmp_path: Path) -> None:
    recording = Recording()
    recording.source.remove(MIDDLE)
    recording.source_infos.remove(MIDDLE)
    found = report(recording, tmp_path)
    assert found.virtual["left"].wrong_stamps == 1
    assert found.sources["front"].gaps == 1


@pytest.mark.parametrize("camera", ["front", "left"])
def test_a_missing_camera_info(tmp_path: Path, camera: str) -> None:
    recording = Recording()
    (recording.source_infos if camera == "front" else recording.virtual_infos).remove(MIDDLE)
    faults = report(recording, tmp_path).faults
    assert f"{camera}: 1 images or camera infos without their pair" in faults
    if camera == "left":
        words = "left: 1 frames could not be compared with the truth: it has no camera info"
        assert words in faults


def test_an_unbalanced_ledger(tmp_path: Path) -> None:
    # The first one of three; the last would not show it.
    broken = {**LEDGER, "received": LEDGER["received"] + 1}
    faults = report(Recording(ledgers=[broken, LEDGER, LEDGER]), tmp_path).faults
    words = "front: 1 ledgers do not balance: received is not the sum of the rest"
    assert faults == (words,)


def test_ledgers_of_nodes_in_namespaces(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    found = report(Recording(nodes=("robot/anyview",)), tmp_path / "one")
    assert (found.ledgers, found.faults) == ({"front": LEDGER}, ())
    found = report(Recording(nodes=("anyview", "robot/anyview")), tmp_path)
    assert found.ledgers == {"anyview: front": LEDGER, "robot/anyview: front": LEDGER}


def test_no_ledger(tmp_path: Path) -> None:
    found = report(Recording(ledgers=[]), tmp_path)
    assert (found.faults, found.notes) == ((), (NO_LEDGER,))


def test_a_virtual_camera_alone(tmp_path: Path) -> None:
    """As README records it: what is missing is said, and is no fault of what was published."""
    recording = Recording(source=[], source_infos=[], provenance=[], ledgers=[], world=None)
    found = report(recording, tmp_path)
    assert found.faults == ()
    assert found.notes == (
        "left: no raw images of a source were recorded to hold its stamps against",
        "left: /virtual/left/synthesis_info was not recorded: model and sources are not known",
        NO_LEDGER,
    )
    assert main(["report", str(tmp_path / "bag"), "--out", str(tmp_path / "out")]) == 0


def test_a_named_source_that_was_not_recorded(tmp_path: Path) -> None:
    found = report(Recording(source=[], source_infos=[]), tmp_path)
    (note,) = found.notes
    assert note == "left: no raw images of front were recorded to hold its stamps against"
    assert found.faults == ()


@pytest.mark.parametrize("world", ["no json {", '["a"]', '{"kind": "street"}'])
def test_a_world_that_is_none(tmp_path: Path, world: str) -> None:
    definitions, path = Definitions(), tmp_path / "bag"
    definitions.learn("std_msgs/msg/String")
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            "/rig/world", "std_msgs/msg/String", typestore=definitions.typestore
        )
        writer.write(connection, 1, serialize_message(String(data=world)))
        fixed = json.dumps({"kind": "street", "fixed_frame": "odom"})
        writer.write(connection, 2, serialize_message(String(data=fixed)))
    with Bag(path) as bag:
        assert Truth.of(bag).origin.startswith("none: ")


def test_a_repeated_stamp(tmp_path: Path) -> None:
    recording = Recording()
    recording.virtual[5] = recording.virtual[4]
    recording.provenance[5] = recording.provenance[4]
    recording.virtual_infos[5] = recording.virtual_infos[4]
    assert "left: 1 images repeat an earlier stamp" in report(recording, tmp_path).faults


def test_frames_without_provenance(tmp_path: Path) -> None:
    recording = Recording()
    del recording.provenance[2]
    found = report(recording, tmp_path)
    assert found.faults == ("left: 1 frames without a SynthesisInfo",)


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (None, "the bag names no procedural world"),
        ({"kind": "video", "source": "v.avi"}, "real footage (v.avi), nobody filmed"),
    ],
)
def test_without_truth_there_is_no_psnr(
    tmp_path: Path, world: dict[str, object] | None, words: str
) -> None:
    found = report(Recording(world=world), tmp_path)
    assert words in found.truth
    assert found.virtual["left"].quality is None
    assert found.virtual["left"].wrong_stamps == 0
    assert found.faults == ()


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = Recording().write(tmp_path / "bag")
    assert main(["report", str(bag), "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "no fault found" in said
    lines = [line.split() for line in said.splitlines()]
    at = next(k for k, line in enumerate(lines) if line[:1] == ["seconds"])
    assert dict(zip(lines[at][4:], lines[at + 1][1:], strict=True)) == {
        **{"queue": "0.10", "condition": "0.20", "denoise": "0.30", "decode": "0.40"},
        **{"latency": "1.50", "steps": "4", "model": "tiny"},
    }
    at = next(k for k, line in enumerate(lines) if line[:1] == ["images"])
    assert lines[at + 1] == ["front", *map(str, LEDGER.values())]
    figures = json.loads((tmp_path / "report.json").read_text())
    assert figures["virtual"]["left"]["quality"]["virtual"] == pytest.approx(30.07, abs=0.02)
    assert f"{figures['virtual']['left']['quality']['copy_of_source']:.2f}" in said


def test_the_command_line_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = Recording().write(tmp_path / "bag")
    assert main(["report", str(bag), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((tmp_path / "report.json").read_text())
    assert said.keys() == JSON_KEYS.keys()


def test_a_bag_of_the_robot_alone_and_a_bag_of_no_camera(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robot = Recording(virtual=[], provenance=[], ledgers=[])
    found = report(robot, tmp_path)
    assert (found.faults, found.notes) == ((), (NO_VIRTUAL_CAMERA, NO_LEDGER))
    nothing = Recording(source=[], source_infos=[], virtual=[], provenance=[], ledgers=[])
    assert main(["report", str(nothing.write(tmp_path / "nothing"))]) == 1
    said = capsys.readouterr().err
    assert "error [no_cameras]: a report needs raw images of cameras, " in said
    assert "record virtual/NAME/image_raw, camera_info and synthesis_info" in said


def test_the_command_line_ends_with_1_on_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = Recording()
    del recording.provenance[2]
    assert main(["report", str(recording.write(tmp_path / "bag"))]) == 1
    assert "FAULT: left: 1 frames without a SynthesisInfo" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "nothing")]) == 1
    assert "error [unreadable_bag]: " in capsys.readouterr().err


def test_the_contact_sheet_shows_source_virtual_and_truth(tmp_path: Path) -> None:
    write_report(Recording().write(tmp_path / "bag"), tmp_path)
    sheet = np.asarray(Pillow.open(tmp_path / "contact_sheet.png"))
    # Last column, from the bottom: truth, virtual, source; tiles of 256 x 144, gaps of 4.
    tiles = [sheet[-144 - 148 * k : sheet.shape[0] - 148 * k, -256:] for k in range(3)]
    front = STREET_RIG[0].link_from_cam
    truth, source = seen(STAMPS[-1], BASE_FROM_VIRTUAL), seen(STAMPS[-1], front)
    for tile, expected in zip(tiles, (truth, truth, source), strict=True):
        small = cv2.resize(tile, (64, 36), interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - expected).mean() < 12
    first_column = sheet[-144:, 114 : 114 + 256]
    assert np.abs(first_column.astype(int) - tiles[0]).mean() > 5  # time passes


def test_the_contact_sheet_has_a_row_for_every_source(tmp_path: Path) -> None:
    """Two virtual cameras share one of them; the other was not recorded at the second instant."""
    grey = {level: np.full((36, 64, 3), level, np.uint8) for level in (40, 80, 120, 160, 200)}
    sheet = ContactSheet(["one", "two"], with_truth=False)
    for stamp, left in enumerate((grey[80], None)):
        one = Compared("one", stamp, grey[120], {"front": grey[40], "left": left}, None, "")
        two = Compared("two", stamp, grey[160], {"front": grey[40]}, None, "")
        sheet.add((one, two))
    sheet.write(tmp_path / "sheet.png")
    image = np.asarray(Pillow.open(tmp_path / "sheet.png")).astype(int)
    centres = [image.shape[0] - 72 - 148 * k for k in reversed(range(4))]
    first, second = ([image[y, x, 0] for y in centres] for x in (-388, -128))
    assert first == [40, 80, 120, 160]  # front, left, one, two
    assert second[0] == 40
    assert second[1] not in (40, 80)
    assert second[2:] == [120, 160]


def test_the_video_plays_in_a_browser(tmp_path: Path) -> None:
    write_report(Recording().write(tmp_path / "bag"), tmp_path)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = list(container.decode(stream))
    assert len(frames) == len(STAMPS)
    times = [frame.time for frame in frames]
    assert times[0] == 0
    assert {round(b - a, 4) for a, b in pairwise(times)} == {0.1}
    last = frames[-1].to_ndarray(format="rgb24")
    truth = cv2.resize(last[-216:, -384:], (64, 36), interpolation=cv2.INTER_AREA)
    expected = seen(STAMPS[-1], BASE_FROM_VIRTUAL)
    assert np.abs(truth.astype(int) - expected).mean() < 8
    # The index comes before the images, so that a browser starts at once.
    start = (tmp_path / "clip.mp4").read_bytes()
    assert start.index(b"moov") < start.index(b"mdat")


def test_a_video_of_cameras_with_unlike_numbers_of_sources(tmp_path: Path) -> None:
    """The first moment says how wide it is, also where a later one has one source more."""
    grey = {level: np.full((36, 64, 3), level, np.uint8) for level in (40, 80, 120, 160)}
    more, all_of_it = {"front": grey[40], "left": grey[80]}, (grey[40], grey[80], grey[120])
    with ClipVideo(tmp_path / "clip.mp4", ["one", "two"], with_truth=False) as video:
        for stamp, extra in ((0, {}), (100_000_000, {"right": grey[80], "rear": grey[80]})):
            one = Compared("one", stamp, grey[120], {**more, **extra}, None, "")
            two = Compared("two", stamp, grey[160], {"front": grey[40]}, None, "")
            video.add((one, two))
    with av.open(str(tmp_path / "clip.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 2
    for frame in frames:
        upper, lower = frame[22 + 108, 192::388], frame[-108, 192::388]  # middles of the tiles
        assert upper[:, 0] == pytest.approx([image[0, 0, 0] for image in all_of_it], abs=4)
        assert lower[[0, 2], 0] == pytest.approx([40, 160], abs=4)
        assert lower[1, 0] < 40  # an empty tile
