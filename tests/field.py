"""Faults that people met in the field, each with the tests that hold it.

    python -m tests.field

runs them all, and prints a line a fault. A fault is a report of users, or was found under the real
ROS 2 tools; what it says is what is true now.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import pytest

BAGS = "tests/datasets/test_field_bags.py::test_"
FILES = "tests/datasets/test_damaged_bags.py::test_"
OTHERS = "tests/datasets/test_damaged_files.py::test_"
SIZES = "tests/datasets/test_bag_unpacking.py::test_"
KEPT = "tests/datasets/test_field_kept.py::test_"
FILMS = "tests/datasets/test_convert_video.py::test_"
VIDEO = "tests/media/test_video.py::test_"
IMAGES = "tests/imaging/test_encodings.py::test_"
JPEGS = "tests/imaging/test_compression.py::test_"
TF = "tests/clips/test_transforms.py::test_"
INFO = "tests/imaging/test_camera_info.py::test_"
STREAM = "tests/node/sources/test_camera_stream.py::test_"
INPUTS = "tests/node/sources/test_inputs.py::test_"
ROOT = "tests/evaluation/test_root_suite.py::test_"
REPORT = "tests/demo/test_report.py::test_"
LAUNCH = "tests/node/test_launch.py::test_"
LIFE = "tests/node/test_node_lifecycle.py::test_"
CHECKS = "tests/doctor/test_checks.py::test_"
DIAGNOSTICS = "tests/node/test_diagnostics.py::test_"
COMMANDS = "tests/test_doc_commands.py::test_"
PACKAGE = "tests/packaging/test_metadata.py::test_"
VERIFY = "tests/joint/test_verify.py::test_"
ROBOTS = "tests/doctor/test_check_robots.py::test_a_healthy_robot_is_ok"

HELD: Mapping[str, tuple[str, ...]] = {
    # of recordings
    "a stamp years ahead costs its image": (
        f"{BAGS}a_wrong_stamp_costs_its_image",
        f"{BAGS}a_clock_that_is_set_while_recording",
    ),
    "a ROS 1 bag leads to its conversion": (f"{FILES}a_ros1_bag_leads_to_its_conversion",),
    "an mcap of another encoding is named": (
        f"{FILES}an_mcap_of_another_encoding",
        f"{FILES}an_mcap_of_another_profile",
    ),
    "a schema that lacks a part costs its topic": (
        f"{FILES}a_topic_that_cannot_be_understood_costs_no_other",
    ),
    "damaged files end in words": (
        f"{FILES}random_damages_end_in_words",
        f"{FILES}a_damaged_chunk_costs_what_is_in_it",
        f"{OTHERS}random_damages_end_in_named_errors",
    ),
    "compressed files take no more than there is": (
        f"{SIZES}a_file_takes_no_more_than_the_disk_has",
        f"{SIZES}chunks_and_messages_take_bounded_memory",
    ),
    "poses in UTF-16 are read": (
        f"{VIDEO}poses_as_windows_writes_them",
        f"{VIDEO}poses_in_another_encoding_are_refused_by_name",
    ),
    "a frame that no camera needs costs nothing": (
        f"{STREAM}a_stray_frame_whose_stamps_step_back_costs_the_others_nothing",
        ROBOTS,
    ),
    "each robot has its own TF": (
        f"{BAGS}each_robot_has_its_own_tf",
        f"{BAGS}tf_of_nobody_is_to_be_chosen",
    ),
    "colour before grey, drawings never, and it is said": (
        f"{BAGS}colour_is_taken_and_the_choice_is_said",
        f"{BAGS}grey_images_come_last_whatever_they_are_called",
        f"{INPUTS}colour_is_taken_before_grey_and_depth_is_no_camera",
    ),
    "depth is no camera": (
        f"{BAGS}depth_is_no_camera",
        f"{INPUTS}depth_that_its_name_hides_is_told_by_its_first_image",
    ),
    "8 coefficients of plumb_bob, 5 of rational_polynomial": (
        f"{INFO}opencv_goes_by_the_number_of_coefficients",
        f"{INFO}depth_cameras_pad_plumb_bob_with_zeros",
    ),
    "the skew of a fisheye's K does not matter": (
        f"{INFO}the_skew_of_k_does_not_matter_to_opencv",
    ),
    "a latched camera info is received": (
        f"{STREAM}a_camera_info_that_was_published_once_before_is_received",
    ),
    "TF of any QoS is received or named": (
        f"{STREAM}transforms_of_another_qos_come_too",
        f"{STREAM}what_is_wrong_with_the_connection_is_named",
    ),
    "a jpeg is known by its first bytes": (
        "tests/imaging/test_compression.py::test_jpegs_are_decoded_as_pillow_does",
    ),
    "2.png comes before 10.png": (
        f"{VIDEO}numbers_in_names_sort_as_numbers",
        "tests/datasets/test_scene_layout.py::test_frames_sort_by_number",
    ),
    "joined videos go on after a gap": (
        f"{VIDEO}times_that_start_again_go_on_after_a_gap",
        f"{VIDEO}times_go_on_as_they_were_within_each_part",
    ),
    "a size that changes in mid-stream is a new camera": (
        f"{FILMS}a_size_that_changes_begins_a_scene_of_its_own_camera",
        f"{FILMS}times_that_start_again_begin_a_scene",
        "tests/node/sources/test_camera_intake.py::test_images_that_change_their_size_are_told_and_counted",
    ),
    "a field of view is in degrees, an extension as it is": (
        f"{FILMS}what_is_refused",
        "tests/datasets/test_scene_layout.py::test_images_of_another_extension_than_the_metadata_says",
    ),
    "a camera that looks at the sky is questioned": (
        f"{BAGS}images_in_a_body_frame_are_questioned",
        "tests/doctor/test_checks.py::test_a_camera_in_a_body_frame_seems_to_look_at_the_sky",
    ),
    "a frame of an info that is empty, slashed or another": (
        f"{BAGS}an_empty_or_slashed_frame_of_the_info_is_the_images",
        f"{BAGS}another_frame_of_the_info_is_named",
    ),
    "a camera info elsewhere is named": (f"{BAGS}a_camera_info_elsewhere_is_named",),
    "videos are to be decoded first": (f"{BAGS}videos_are_to_be_decoded",),
    "a folder without its index leads to its file": (
        f"{FILES}a_folder_without_its_index_leads_to_its_file",
        f"{FILES}a_file_that_was_unpacked_by_hand",
        f"{FILES}an_empty_storage_identifier",
        f"{FILES}a_recording_that_was_cut",
    ),
    "a refused transform, no /tf_static, two parents": (
        f"{BAGS}a_refused_transform_is_named",
        f"{BAGS}a_split_without_static_transforms",
        f"{BAGS}two_parents_are_named",
    ),
    "a camera info of no size, of a region, of no calibration": (
        f"{BAGS}a_calibration_file_mends_a_camera_info",
    ),
    "a calibration of another binning is questioned": (
        f"{BAGS}a_calibration_of_another_binning_is_questioned",
    ),
    "a root without pixels is skipped with a notice": (
        f"{ROOT}what_has_no_pixels_is_left_out_with_a_notice",
    ),
    "a bag of the virtual camera alone": (
        f"{REPORT}a_virtual_camera_alone",
        f"{REPORT}a_named_source_that_was_not_recorded",
    ),
    "healthy robots: nothing refused, one line a choice": (
        f"{BAGS}a_healthy_robot_gives_its_scenes_and_a_line_a_choice",
        f"{BAGS}a_healthy_robot_is_usable_and_what_is_left_out_is_said_once",
        ROBOTS,
    ),
    # what was odd and right stays right
    "odd recordings that work": (f"{KEPT}what_is_odd_and_works",),
    "odd recordings that are refused by name": (
        f"{KEPT}what_is_odd_and_refused",
        f"{KEPT}a_rectified_topic_needs_k_too",
    ),
    "an image that is empty or damaged costs its scene": (
        f"{KEPT}an_empty_image_costs_its_scene_only",
        "tests/datasets/test_convert_bag.py::test_a_damaged_image_costs_its_scene_only",
    ),
    "first images at stamp 0 are left out": (
        "tests/datasets/test_convert_bag.py::test_unset_stamps_are_left_out",
    ),
    "regions and binning have their own intrinsics": (
        f"{INFO}binning_and_window_reach_the_raw_camera_too",
        f"{INFO}unusable_camera_infos_are_refused",
    ),
    "raw images that cannot be are refused": (f"{IMAGES}unusable_images_are_refused",),
    "jpegs without end are refused, bytes behind it ignored": (
        f"{JPEGS}unusable_images_are_refused_without_decoding",
        f"{JPEGS}bytes_after_the_end_do_not_matter",
    ),
    "TF as tf2 takes it": (
        f"{TF}rotations_are_normalised",
        f"{TF}slashes_of_ros_1_are_stripped_on_arrival",
        f"{TF}a_loop_is_named",
        f"{BAGS}slashes_of_old_are_left_out",
    ),
    "bags of every storage and compression": (
        "tests/datasets/test_convert_bag.py::test_scenes_hold_what_was_recorded",
        "tests/augment/test_augment.py::test_everything_of_the_input_is_there_byte_for_byte",
    ),
    "videos that can be decoded": (
        f"{VIDEO}whatever_can_be_decoded_is_read",
        f"{VIDEO}times_that_begin_late_begin_there",
        f"{VIDEO}images_of_16_bits_and_turned_ones",
        f"{OTHERS}random_damages_end_in_named_errors",
    ),
    "videos that cannot, and poses that are none": (
        f"{VIDEO}unusable_footage_is_refused_by_name",
        f"{VIDEO}unusable_poses_name_their_line",
    ),
    "a clock that jumps or is another": (
        f"{DIAGNOSTICS}a_camera_with_another_clock_is_named_with_the_offset_that_it_needs",
        "tests/node/sources/test_camera_intake.py::test_a_large_step_back_is_a_new_epoch",
    ),
    "scenes of other forms are refused by name": (
        "tests/datasets/test_scene_layout.py::test_lowdim_arrays_of_the_wrong_kind",
        f"{ROOT}a_split_file_that_cannot_be",
    ),
    # under the real tools of ROS 2
    "a player that starts paused: its TF first, by Burst": (
        f"{COMMANDS}a_service_call_fills_its_request",
        f"{COMMANDS}the_lossless_recipe_lets_go_of_tf_before_it_adds",
        "tests/integration/test_lossless_run.py::test_every_frame_once_in_order_and_the_same_bytes_whatever_the_pace",
    ),
    "rectify without quotes": (
        "tests/node/test_parameters.py::test_rectify_is_read_as_the_page_writes_it",
    ),
    "the text of tf2 is taken as well": (
        "tests/node/virtual/test_moving_cameras.py::test_a_trajectory_in_a_frame_without_history_is_named",
    ),
    "encodings that cv_bridge knows under other names": (f"{IMAGES}the_older_names_mean_the_same",),
    "a source that there is not": (
        f"{DIAGNOSTICS}a_source_that_there_is_not_is_told_from_one_that_sends_nothing",
    ),
    "package.xml": (
        f"{PACKAGE}every_ros_package_that_is_imported_is_a_dependency",
        f"{PACKAGE}colcon_tests_what_ros_has_a_part_in",
        f"{PACKAGE}package_xml_is_valid_and_says_what_colcon_needs",
    ),
    "a stream that waits does not warn": (
        "tests/node/streaming/test_retry_policy.py::test_frames_that_are_to_come_are_reported_when_they_stay_away",
    ),
    "arguments are named where they are wrong": (
        f"{LAUNCH}a_word_that_means_nothing_is_refused",
        f"{LAUNCH}the_seed_of_a_demo_is_a_whole_number",
        f"{LAUNCH}a_world_that_there_is_not_is_named",
    ),
    "the commands of README are read as they stand": (
        f"{LAUNCH}the_commands_of_the_readme_are_read_as_they_stand",
    ),
    "arguments stand above the file only when given": (
        f"{LAUNCH}without_arguments_the_file_says_all",
    ),
    "launch booleans are those of YAML, others refused": (
        f"{LAUNCH}every_word_of_yaml_for_true_is_true",
        f"{LAUNCH}a_word_that_means_nothing_is_refused",
    ),
    "Ctrl-C is no crash": (
        f"{LIFE}a_signal_ends_a_node_that_is_working",
        f"{LIFE}a_signal_ends_a_node_that_is_starting_without_a_trace",
    ),
    "a player is resumed": (
        "tests/integration/test_lossless_run.py::test_a_node_that_is_interrupted_resumes_its_player",
    ),
    "the check has a name of its own": (
        "tests/doctor/test_check_live.py::test_the_running_node_keeps_its_name_and_its_file_is_read",
    ),
    "a clock that is far from the stamps is told": (
        "tests/node/test_diagnostics.py::test_a_clock_that_is_far_from_the_stamps_is_told",
    ),
    # what else was noticed
    "nothing is left at home": (
        "tests/engine/onnx/test_telemetry.py::test_the_default_model_leaves_nothing_at_home",
        "tests/node/test_log_folder.py",
    ),
    "a log has no progress bar": (f"{FILMS}a_log_has_no_progress_bar",),
    "a demo's bag is logged at the time of its stamps": (
        "tests/demo/test_recorder.py::test_messages_are_logged_at_the_time_of_the_stamps",
        "tests/integration/test_demo.py::test_a_short_demo_of_a_world",
    ),
    "golden files of a batch of two, and inverted poses": (
        f"{VERIFY}a_batch_of_two_is_taken",
        f"{VERIFY}a_scene_may_hold_the_inverse_of_its_poses",
    ),
    "no rate is no 0.0 Hz": (f"{CHECKS}troubles_of_the_graph",),
    "a long wait says what for": (
        "tests/demo/test_session.py::test_a_long_wait_says_what_it_is_for",
    ),
}


class Outcomes:
    """Collects, as a plugin of pytest, what became of each test."""

    def __init__(self) -> None:
        self.failed: set[str] = set()
        self.skipped: set[str] = set()
        self.passed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.skipped:
            self.skipped.add(report.nodeid)
        elif report.when == "call":
            self.passed.add(report.nodeid)


def now(outcomes: Outcomes, tests: tuple[str, ...]) -> str:
    """Return what became of the tests of a fault."""
    for test in tests:
        own = {
            kind: [
                node for node in nodes if node == test or node.startswith((f"{test}[", f"{test}::"))
            ]
            for kind, nodes in vars(outcomes).items()
        }
        if own["failed"]:
            return f"FAILED: {own['failed'][0]}"
        if not own["passed"]:
            return f"not run: {test}"
    return "holds"


def main() -> int:
    """Run every test, one after the other: some are over a live ROS graph."""
    outcomes = Outcomes()
    tests = sorted({test for held in HELD.values() for test in held})
    status = pytest.main(["-q", "-n", "0", *tests, *sys.argv[1:]], plugins=[outcomes])
    for fault, held in HELD.items():
        print(f"{fault}: {now(outcomes, held)}")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
