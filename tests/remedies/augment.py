"""Remedies of `anyview augment`, done by the tests of what it refuses."""

from __future__ import annotations

from tests.remedies.listed import is_done_by

BAD, RESUME = "tests/augment/test_bad_input.py", "tests/augment/test_resume.py"
EXPORTS, CLOCK = "tests/augment/test_exports.py", "tests/augment/test_export_clock.py"
LEROBOT = "tests/augment/test_lerobot_in.py"
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
is_done_by(
    f"{RESUME}::test_what_is_resumed_must_be_the_same",
    "augment.begun_work",
    "ask for the same, or give another OUT",
)
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
    f"{EXPORTS}::test_the_messages_of_a_camera_as_the_clock",
    "augment.exports.clock",
    "pass --fps N or --clock TOPIC",
    "take another topic as the clock (--clock), or --fps N",
)
is_done_by(
    f"{EXPORTS}::test_cameras_that_were_not_on_at_one_time",
    "augment.exports.clock",
    "take cameras that were on at one time (--sources), or another clock",
)
is_done_by(
    f"{EXPORTS}::test_a_virtual_camera_slower_than_the_clock",
    "augment.exports.clock",
    "pass --fps {} or lower",
)
is_done_by(
    f"{CLOCK}::test_too_far_is_refused_and_allowed_by_what_the_text_says",
    "augment.exports.clock",
    "pass a lower --fps, or allow it: --tolerance {}",
)
is_done_by(
    f"{CLOCK}::test_a_clock_of_irregular_messages_is_no_constant_rate",
    "augment.exports.clock",
    "pass --fps N in place of --clock",
)
is_done_by(
    f"{EXPORTS}::test_a_folder_that_exists",
    "augment.exports.exporting",
    "give another folder to --export",
)
is_done_by(
    f"{EXPORTS}::test_cameras_that_were_not_on_at_one_time",
    "augment.exports.exporting",
    "leave it out (--sources)",
)
is_done_by(
    f"{EXPORTS}::test_what_is_no_export",
    "augment.stores",
    "give each a folder of its own",
)
is_done_by(
    f"{EXPORTS}::test_what_one_format_refuses_another_takes_and_the_frames_are_kept",
    "augment.exports.argoverse2",
    "take --export nuscenes=FOLDER",
)
is_done_by(
    f"{EXPORTS}::test_a_calibration_that_changes",
    "augment.exports.pictures",
    "take --export nuscenes=FOLDER",
)
is_done_by(
    f"{EXPORTS}::test_options_of_an_export_without_one",
    "cli.export_arguments",
    "pass --export FORMAT=FOLDER too",
    "leave --only out",
)
STORES = "tests/augment/test_stores.py"
is_done_by(
    f"{STORES}::test_a_disk_that_cannot_hold_the_copy",
    "augment.job",
    "give --work a folder on a larger disk",
)
is_done_by(
    f"{LEROBOT}::test_what_the_data_set_has_is_there_byte_for_byte",
    "augment.lerobot_augment",
    "name the new one otherwise",
    "give it a pose",
    "give --calibration FILE.yaml",
)
is_done_by(
    f"{LEROBOT}::test_what_the_data_set_has_is_there_byte_for_byte",
    "augment.lerobot_source",
    "give --calibration FILE.yaml",
)
is_done_by(
    f"{LEROBOT}::test_what_is_refused",
    "cli.export_arguments",
    "leave them out",
)
is_done_by(
    f"{INSPECT}::test_a_calibration_file_in_place_of_an_identity",
    "cli.export_arguments",
    "for a bag give -p CAMERA.camera_info_url:=FILE",
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
