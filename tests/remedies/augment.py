"""Remedies of `anyview augment`, done by the tests of what it refuses."""

from __future__ import annotations

from tests.remedies.listed import is_done_by

BAD, RESUME = "tests/augment/test_bad_input.py", "tests/augment/test_resume.py"
INSPECT = "tests/augment/test_inspect.py"

is_done_by(
    f"{BAD}::test_names_and_frames_that_the_bag_has_already",
    "augment.cameras_file",
    "name one of them otherwise",
)
is_done_by(f"{BAD}::test_an_output_that_exists", "augment.job", "give another OUT")
is_done_by(
    f"{RESUME}::test_killed_and_resumed_the_bytes_are_the_same",
    "augment.job",
    "go on with --resume",
)
is_done_by(
    f"{BAD}::test_a_disk_that_would_not_hold_it_is_told_before",
    "augment.job",
    "give an OUT on a larger disk",
    "pass --images jpeg",
)
is_done_by(f"{RESUME}::test_what_is_resumed_must_be_the_same", "augment.job", "ask for the same")
is_done_by(
    f"{BAD}::test_what_the_texts_say_helps", "augment.making", "take other cameras (--sources)"
)
is_done_by(
    f"{BAD}::test_what_the_texts_say_helps",
    "augment.plan",
    "leave '{}' out (--sources)",
    "name one of these in parent_frame, --fixed-frame or -p CAMERA.frame_id:=FRAME",
    "name that of one of them, as in -p {}.frame_id:={}_optical_frame",
    "leave it out (--sources)",
)
is_done_by(
    f"{BAD}::test_a_camera_of_another_robots_tree",
    "augment.plan",
    "take the cameras of one robot (--sources)",
    "name the topics of one tree (--tf-topics)",
)
is_done_by(
    f"{BAD}::test_names_and_frames_that_the_bag_has_already",
    "augment.plan",
    "name the new one otherwise",
)
is_done_by(
    f"{BAD}::test_a_frame_of_a_virtual_camera_that_is_taken",
    "augment.plan",
    "name that camera otherwise",
)
is_done_by(
    f"{BAD}::test_what_the_texts_say_helps",
    "augment.reading",
    "leave that camera out (--sources)",
)
is_done_by(
    f"{INSPECT}::test_a_calibration_file_in_place_of_an_identity",
    "augment.camera_inspection",
    "give a calibration file, as in -p {}.camera_info_url:=front.yaml",
)
is_done_by(
    "tests/augment/test_samplers.py::test_rules_that_leave_nothing",
    "augment.sampling",
    "widen its ranges, or ease its rules (reject)",
)
FLEET = "tests/augment/test_fleet.py"
is_done_by(
    f"{FLEET}::test_an_output_that_is_there_and_one_of_other_options",
    "augment.ledger",
    "give another OUT, or go on in it with --resume",
    "ask for the same, or give another OUT",
)
is_done_by(
    f"{FLEET}::test_recordings_of_a_folder_and_of_a_list",
    "augment.recordings",
    "name one of them otherwise",
    "give a folder with rosbag2 folders or",
)
is_done_by(
    f"{FLEET}::test_workers_make_what_one_after_the_other_makes",
    "augment.ray_workers",
    "pass --workers 0",
)
is_done_by(
    "tests/augment/test_samplers.py::test_drawn_cameras_of_a_recording",
    "augment.requested",
    "name one of them otherwise",
)
