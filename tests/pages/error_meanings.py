"""What each error code means, and what to do; the texts of the errors have the figures."""

from __future__ import annotations

# code: (what it means, what to do)
MEANINGS: dict[str, tuple[str, str]] = {
    "ambiguous_tf": (
        "Several TF trees were recorded, and none of them holds the camera.",
        "Name the topics of the right one with `--tf-topics`.",
    ),
    "attention_not_fused": (
        "The GPU would compute attention with more memory than there is.",
        "Take a package in fp16 or bf16, a newer GPU or another ONNX Runtime, or ask for `cpu`.",
    ),
    "back_pressure_refused": (
        "The player or the simulator refused to pause, resume or step.",
        "Look at its log; the node asks again.",
    ),
    "back_pressure_timeout": (
        "The player or the simulator did not answer.",
        "See whether it runs; the node asks again.",
    ),
    "bag_exists": ("A bag lies where one is to be written.", "Give another folder."),
    "busy": (
        "One request is running and as many wait as may wait, or one for a camera that had fewer "
        "waiting took the place.",
        "Ask again when one of them is answered; raise `max_waiting_requests`.",
    ),
    "calibration_changed": (
        "The calibration of a source changed within the clip, or within a data set's recording.",
        "Ask for a clip that ends before the change, or begins after it; split the bag there.",
    ),
    "camera_info_not_paired": (
        "Camera infos do not have the stamps of their images, so the latest fitting one is used.",
        "Let the driver publish both with one stamp.",
    ),
    "camera_removed": ("The virtual camera was removed while it was asked for.", "Add it again."),
    "camera_streams": (
        "A continuous camera publishes each stamp at most once, so no clip of it is published.",
        "Listen to its topics, or set `return_frames` to get the clip in the answer.",
    ),
    "cancelled": ("The caller cancelled the request.", "Nothing."),
    "cannot_write": (
        "A scene could not be written.",
        "Make room on the disk, or write to another folder.",
    ),
    "checkpoint_mismatch": (
        "The tensors of a released file do not have the names and shapes of the network.",
        "Download the file again; `--any-size` takes networks of other sizes.",
    ),
    "checkpoint_not_written": (
        "A checkpoint could not be written; the one before it is whole.",
        "Make room on the disk, and go on with `--resume`.",
    ),
    "child_ended": (
        "The node or the rig of a demo ended.",
        "Read the end of its log, which the text shows.",
    ),
    "clip_duplicate": (
        "Frames come more slowly than the model's clips have them.",
        "Raise the camera's rate, or ask for an `end_time` away from the pause.",
    ),
    "clip_gap": (
        "A frame is missing where the clip needs one.",
        "Ask for an `end_time` away from the pause, or raise the camera's rate.",
    ),
    "clock_mismatch": (
        "Frames of a camera are too far from the samples of a data set.",
        "Pass a lower `--fps`, another `--clock`, or allow it with `--tolerance`.",
    ),
    "clock_jump": (
        "The stamps jumped back: a loop, or a clock that was set.",
        "Nothing on a live graph, where buffers start over; split a bag there.",
    ),
    "clock_jumped": ("The clock jumped during a request.", "Ask again."),
    "disk_full": (
        "The disk has no room for what is to be made.",
        "Make room, or name a folder on another disk: by `XDG_DATA_HOME`, or by `TMPDIR` for what "
        "is unpacked.",
    ),
    "duplicate_stamp": (
        "A camera published two images of one stamp.",
        "See whether two publishers share the topic.",
    ),
    "empty_buffer": (
        "No frame of the source is there yet.",
        "Wait; if none comes, `anyview check` says which of image, camera info and TF is missing.",
    ),
    "empty_frame_id": (
        "Images do not say in which TF frame they are.",
        "Set the driver's `frame_id`; for a bag, give `-p CAMERA.frame_id:=...`.",
    ),
    "export_differs": (
        "An exported graph computes something else than torch.",
        "Report it; no package was made.",
    ),
    "fixed_frame_jumped": (
        "A camera moved further than it can: a map was corrected.",
        "Take a `fixed_frame` that is continuous, as `odom`.",
    ),
    "follows_trajectory": (
        "A camera on a trajectory cannot be steered by hand.",
        "Update it with a pose first.",
    ),
    "frame_id_mismatch": (
        "Image and camera info name different TF frames.",
        "Set one `frame_id` in the driver; for a bag, give `-p CAMERA.frame_id:=...`.",
    ),
    "frame_taken": (
        "Another node publishes the TF frame of that name.",
        "Choose another name for the virtual camera.",
    ),
    "image_too_small": ("An image is too small for SSIM.", "Compare larger images."),
    "inactive": (
        "The node is not active.",
        "`ros2 lifecycle set /anyview activate`; after configure, if it is unconfigured.",
    ),
    "incomplete_episode": (
        "Some frames of an episode could not be made, and a data set needs them all.",
        "Take other sources (`--sources`), or leave that virtual camera out.",
    ),
    "incomplete_scene": (
        "A scene's folder lacks images, or has images of different sizes.",
        "Make the scene again, or remove it.",
    ),
    "inconsistent_camera_info": (
        "K, D, R and P of a camera info contradict each other.",
        "Calibrate the camera again; the text says what is wrong.",
    ),
    "inference_failed": (
        "ONNX Runtime failed in the midst of a request.",
        "Read what it says; try provider `cpu` to tell the machine from the model.",
    ),
    "internal_error": ("A fault of this package.", "Report it with the node's log."),
    "invalid_benchmark": (
        "A `splits.json` is not what it should be.",
        "Bring it into the layout of AnyViewBench (docs/bench.md).",
    ),
    "invalid_calibration": (
        "A calibration file is not as camera_calibration writes it.",
        "Give such a YAML file.",
    ),
    "invalid_camera": (
        "Size, focal lengths or field of view of a camera are impossible.",
        "Correct the camera info, or the field of view.",
    ),
    "invalid_cameras_file": (
        "A file of virtual cameras for `anyview augment` is not what it should be.",
        "Write lists, `cameras:` or `samplers:`, with the fields of docs/augment.md.",
    ),
    "invalid_candidate": (
        "`--try` cannot be read.",
        "Write `[NAME=]STEPS[,SOLVER[,REUSE]]`, as `fast=12,dpmpp2m`.",
    ),
    "invalid_checkpoint": (
        "A file is no checkpoint, or only a part of one.",
        "Give `latest.safetensors` of a training run.",
    ),
    "invalid_config": (
        "A training config lacks a key, has an unknown one, or a value of another kind.",
        "Correct the key that the text names; it names the nearest known one too.",
    ),
    "invalid_dataset": (
        "A folder is no LeRobot data set of version 3.0, or a file of it is damaged.",
        "Convert it by LeRobot's own tools, or fetch it again.",
    ),
    "invalid_distortion": (
        "The distortion of a camera info is of a model that is not known, or impossible.",
        "Write `plumb_bob`, `rational_polynomial` or `equidistant` with its coefficients.",
    ),
    "invalid_frame_period": (
        "A request asks for another frame period than the model has.",
        "Leave `frame_period` at 0.",
    ),
    "invalid_golden": ("A golden file cannot be read.", "Restore it from the repository."),
    "invalid_image": (
        "An image message is damaged, or its size and data do not fit.",
        "Look at the driver.",
    ),
    "invalid_import": (
        "A folder is not what `anyview import` wrote.",
        "Remove it, and import again.",
    ),
    "invalid_known_frames": (
        "Frames given for the target do not fit the clip.",
        "Give 1 + 4k of them, fewer than the clip has, of the model's size.",
    ),
    "invalid_launch_argument": (
        "A word `name:=value` has a value of another kind.",
        "Write it as the text says.",
    ),
    "invalid_levels": (
        "Noise levels of a student or its teacher are impossible.",
        "Give levels that fall, from where the teacher starts to 0.",
    ),
    "invalid_message": ("A recorded message is damaged.", "Take the bag without it."),
    "invalid_mode": (
        "A camera's mode is unknown, or is for cameras with a rate.",
        "Set mode to LIVE or LOSSLESS, and a `rate` for LOSSLESS.",
    ),
    "invalid_key": (
        "A file is no key to sign model packages, or to check signatures with.",
        "Give a key over the curve P-256 as PEM, outside of the package.",
    ),
    "invalid_model": (
        "A model package breaks its contract.",
        "Export it again, or take another package.",
    ),
    "invalid_name": (
        "A name has characters that it may not have.",
        "Choose another, as the text says.",
    ),
    "invalid_num_frames": (
        "Clips of the model do not have that many frames.",
        "Leave `num_frames` at 0, or ask for a number that the text names.",
    ),
    "invalid_parameter": ("A parameter is out of its range.", "Set it as the text says."),
    "invalid_parent": (
        "A virtual camera would stand on itself.",
        "Name another `parent_frame`.",
    ),
    "invalid_picture": (
        "A picture cannot be written in the format that its name asks for.",
        "Let its name end in `.jpg` or `.png`.",
    ),
    "invalid_pose": (
        "A pose is not finite, or not rigid, or its quaternion is not of length 1.",
        "Correct it; `w = 1` is no rotation.",
    ),
    "invalid_poses": (
        "A file of poses cannot be read, or has none for the video's time.",
        "Write it as docs/video.md says.",
    ),
    "invalid_priority": (
        "A priority was given to a camera without a rate.",
        "Set a `rate`, or leave `priority` at 0.",
    ),
    "invalid_rate": (
        "The model makes frames at another rate.",
        "Ask for a `rate` up to that one, or 0 for on request only.",
    ),
    "invalid_ros_arguments": (
        "ROS cannot read the arguments of a node, or its parameter file.",
        "Correct what the text quotes.",
    ),
    "invalid_scene": (
        "A scene's `metadata.json` is not what it should be.",
        "Make the scene again, or correct it (docs/data.md).",
    ),
    "invalid_scene_scale": ("`scene_scale` is not positive.", "Give one above 0."),
    "invalid_seconds": (
        "A demo would be shorter than a clip, or too long.",
        "Give `--seconds` between the two.",
    ),
    "invalid_seed": ("A seed is out of range.", "Take one between 0 and 42949672."),
    "invalid_seeds": ("A range of seeds is too short.", "Give `--seeds A:B` of two or more."),
    "invalid_share": ("A share of weights is not one.", "Give `--share` above 0 and at most 1."),
    "invalid_signature": (
        "A package's signature cannot be read, or was not made with the trusted key.",
        "Take the package from its publisher again, or sign it with `anyview sign`.",
    ),
    "invalid_size": (
        "A size of images does not fit the network.",
        "Give sides that are multiples of what the text says.",
    ),
    "invalid_source": ("`demo --live` drives on the street only.", "Leave `--source` out."),
    "invalid_sources": (
        "A camera has more sources than the model takes, or one twice.",
        "Name fewer, or leave `sources` empty.",
    ),
    "invalid_stamps": ("The stamps of a clip do not increase.", "Give frames in order of time."),
    "invalid_steps": (
        "The model does not take that many steps.",
        "Leave `steps` at 0, or ask for fewer.",
    ),
    "invalid_teacher": (
        "A student cannot learn from this.",
        "Give the teacher's own checkpoint, or imported weights.",
    ),
    "invalid_times": (
        "Times of a request contradict each other.",
        "Leave one of `start_time`, `end_time` and `num_frames` at 0.",
    ),
    "invalid_trajectory": (
        "A trajectory has too few poses, or its stamps do not increase.",
        "Give two or more poses in order of time, and leave `pose` at its default.",
    ),
    "invalid_uncertainty_samples": (
        "Uncertainty needs two seeds or more.",
        "Set `uncertainty_samples` to 2 or more, or to 0 for none.",
    ),
    "known_frames_unsupported": (
        "The model was not trained to go on from given frames.",
        "Take another model.",
    ),
    "late_pose": (
        "A pose came after a later one.",
        "Send poses in order of their stamps, or with stamp 0.",
    ),
    "latent_too_large": (
        "The network has no positions for clips that large.",
        "Take a smaller size or fewer frames.",
    ),
    "left_on_cpu": (
        "The provider has no kernels for parts of the model.",
        "Export the package in another precision, or ask for `cpu`.",
    ),
    "licence_not_accepted": (
        "The released weights have licences of their own.",
        "Read them, and call again with `--accept-license` if you accept them.",
    ),
    "memory_full": (
        "Keyframes were let go early, for their size.",
        "Lower `source_size` or `memory_s`.",
    ),
    "missing_array": ("A golden file lacks an array.", "Restore it from the repository."),
    "missing_episode": (
        "`splits.json` names an episode that is not there.",
        "Unpack it, or leave its split out with `--splits`.",
    ),
    "missing_file": ("A file that is needed is not there.", "Name the right one."),
    "missing_hfov": (
        "Nobody says how wide the camera of a video sees.",
        "Give `--hfov` in degrees: near 65 for a phone's main camera.",
    ),
    "missing_option": ("A command needs one more option.", "Give the one that the text names."),
    "missing_photographs": (
        "Photographs that a training set wears are not installed.",
        "Run what the text says.",
    ),
    "missing_pictures": (
        "Pictures of a Debian package are not installed.",
        "Install the package that the text names.",
    ),
    "missing_scikit_image": (
        "The scene `motorcycle` is a picture of scikit-image, which is not installed.",
        "`.venv/bin/python -m pip install scikit-image`.",
    ),
    "missing_weights": (
        "The weights of the perceptual distance are not installed.",
        "Install stlpips-pytorch, or leave `--look` out.",
    ),
    "model_changed": ("Another model was loaded during a request.", "Ask again."),
    "model_damaged": (
        "A file of a model package is missing or differs from its sha256.",
        "Install the package again.",
    ),
    "model_exists": (
        "A package of that name is there.",
        "Choose another `--name`, or remove it first.",
    ),
    "model_unsigned": (
        "A model package has no signature, and one is asked for.",
        "Take the package from where it was signed, or sign it with `anyview sign`.",
    ),
    "moving_camera": (
        "A camera moves on the robot, and the format of the data set has one place for it.",
        "Take `--export nuscenes=FOLDER`.",
    ),
    "name_taken": (
        "A virtual camera, a source or a running request has that name.",
        "Choose another name, or update the camera.",
    ),
    "no_access": (
        "A path is not there, is a file in place of a folder, may not be read or written, or the "
        "disk is full.",
        "Name files that you can read, and a folder of yours with `--out`.",
    ),
    "no_back_pressure_service": (
        "Nobody offers the services that pause, resume or step.",
        "Start the player or the simulator, set `back_pressure_node` to its name, or "
        "`back_pressure` to `none`.",
    ),
    "no_calibration": (
        "Nothing says where the cameras of a data set are.",
        "Give `--calibration FILE.yaml`.",
    ),
    "no_camera_info": (
        "No camera info comes for an image topic.",
        "Start its publisher, or set `<camera>.camera_info_topic`; for a bag, give "
        "`-p CAMERA.camera_info_url:=FILE`.",
    ),
    "no_camera_pair": (
        "No pair of cameras of a world fits the split.",
        "Ask for other `--seeds`.",
    ),
    "no_cameras": (
        "A bag has no camera.",
        "Record raw or compressed images, beside their camera infos.",
    ),
    "no_common_time": (
        "The cameras of a bag were not recorded at one time.",
        "Choose some that were with `--cameras`.",
    ),
    "no_complete_clip": (
        "No run of a recording is as long as the model's clips.",
        "Record for longer, or choose cameras that were recorded together.",
    ),
    "no_complete_scene": (
        "Not one scene of a recording is complete.",
        "Lower `--frames`, raise `--period`, or mend what is listed.",
    ),
    "no_depth": (
        "The model does not know depth.",
        "Leave depth out, or take a package with `sweep_weights`.",
    ),
    "no_driver": (
        "Nothing installed reads a path of that kind.",
        "Install what the text names; or correct the path.",
    ),
    "no_episodes": ("A benchmark has no episode to score.", "Unpack its splits."),
    "no_images": (
        "No image came, or none was recorded.",
        "Start the camera; large raw images need the DDS profile (docs/install.md).",
    ),
    "no_model": (
        "No model is loaded.",
        "Wait while it loads; or configure and activate the node.",
    ),
    "no_onnxruntime": (
        "ONNX Runtime is not installed.",
        "`pip install onnxruntime`; `onnxruntime-gpu` with an NVIDIA GPU, never both.",
    ),
    "no_parameters": (
        "A package does not say where its weights are, so training cannot go on from it.",
        "Take a package that this version exported, or a checkpoint.",
    ),
    "no_publisher": (
        "Nobody publishes the images of a camera.",
        "Start it, or set `<camera>.image_topic` or `<camera>.transport`.",
    ),
    "no_ray": (
        "Workers of `anyview augment` are Ray's, which is not installed.",
        "Install the extra `ray`, or give `--workers 0`.",
    ),
    "no_recordings": (
        "No recording is in the folder or list that `--workers` goes through.",
        "Give a folder with bags in it, or a `.txt` file with a path a line.",
    ),
    "no_sampled_camera": (
        "Too few of the cameras that a sampler draws pass its rules.",
        "Widen its ranges, or ease its rules (docs/augment.md).",
    ),
    "no_scenes": (
        "A folder holds no scene.",
        "Make some with `anyview convert`.",
    ),
    "no_sources": (
        "No source camera is there.",
        "Start the cameras, or name them in the parameter `cameras`.",
    ),
    "no_such_file": (
        "A video, a folder of images, or a file of poses is not there.",
        "Correct the path; worlds are `street`, `table` and `motorcycle`.",
    ),
    "no_surfaces": (
        "A package has no surface network.",
        "Train one, and add it with `anyview export --into`.",
    ),
    "no_tests": (
        "Tests belong to a checkout, not to what is installed.",
        "Call `./anyview test` in a checkout.",
    ),
    "no_torch": ("torch is not installed.", "`pip install anyview_ros[train]`."),
    "no_truth": (
        "An episode has no images of its target camera.",
        "Unpack it whole.",
    ),
    "no_worker": (
        "Ray has no worker that begins.",
        "Look at the cluster, install anyview_ros on its machines, or give fewer `--workers`.",
    ),
    "not_enough_memory": (
        "The model does not fit into memory.",
        "Export it in fp16, for shorter clips or smaller images, or stop what else uses memory.",
    ),
    "not_finite": (
        "The model made values that are no numbers.",
        "Leave `steps` at 0: it knows the noise levels of its own speeds only.",
    ),
    "not_rendered": (
        "Scenes that training needs are not rendered.",
        "Ask for `--renderers 1` or more.",
    ),
    "not_yet": (
        "The frames that a clip needs are not there yet.",
        "Wait, or ask for an earlier `end_time`.",
    ),
    "nothing_left": (
        "An ablation would leave no scene to train on.",
        "Leave that variant out with `--only`.",
    ),
    "nothing_augmented": (
        "Not one frame of a virtual camera could be made of the bag.",
        "Mend what is listed, or take other cameras with `--sources`.",
    ),
    "odd_latent": (
        "Sides of images do not fit the network.",
        "Take multiples of 16 pixels.",
    ),
    "off_grid": ("No clip needs this frame; that is no error.", "Nothing."),
    "other_clock": (
        "The clock of a camera is not that of the node.",
        "Synchronise them (PTP, chrony), or set `<camera>.clock_offset_s`.",
    ),
    "other_config": (
        "A checkpoint is of a run with another config.",
        "Go on with its own config, or start anew in another folder.",
    ),
    "other_network": (
        "A package holds another network than the config.",
        "Give `[network]` and `plane_sweep` as the package's `training.toml` has them.",
    ),
    "other_run": (
        "A folder holds results of another model or of other settings.",
        "Give another `--out`, or remove it.",
    ),
    "out_of_memory": (
        "Memory ran out.",
        "Take a shorter clip, smaller images or fp16, or stop what else uses memory.",
    ),
    "out_of_order": (
        "A frame came after a later one.",
        "Record images in the order of their stamps.",
    ),
    "output_exists": (
        "Something lies where results are to be written.",
        "Give another folder, or move it away.",
    ),
    "outside_trajectory": (
        "A trajectory has no pose at that time.",
        "Ask for a time within, or update the camera with poses that reach further.",
    ),
    "pending_overflow": (
        "Too many frames waited for their TF.",
        "See whether TF comes, or lower `tf_timeout_s`.",
    ),
    "pose_ahead": (
        "A steering pose is later than the newest image.",
        "Stamp poses by the clock of the cameras, or with 0.",
    ),
    "pose_out_of_reach": (
        "A steered camera would jump.",
        "Steer in smaller steps, or give the pose by `update_virtual_camera`.",
    ),
    "provider_unavailable": (
        "ONNX Runtime does not have that provider, or fell back from it.",
        "Install onnxruntime-gpu in place of onnxruntime, check the driver, or ask for `cpu`.",
    ),
    "pyarrow_missing": (
        "The library that writes the tables of a data set is not installed.",
        "Call `./anyview augment`, which installs it, or `pip install pyarrow`.",
    ),
    "qos_mismatch": (
        "A camera's publisher does not offer what the node asks for.",
        "Set `<camera>.reliability` to `best_effort`.",
    ),
    "rate_not_reached": (
        "The model is not fast enough for all continuous cameras.",
        "Lower a `rate`, remove cameras, or use a faster model or machine.",
    ),
    "rectified_border": (
        "A large part of the rectified image is black.",
        "Give the driver a P that crops it (calibration with alpha 0).",
    ),
    "reference_refused": (
        "An engine under test asked for the reference.",
        "Report it: that is a fault of this package.",
    ),
    "resume_mismatch": (
        "What was begun is not what is asked for now.",
        "Ask for the same, or give another OUT.",
    ),
    "run_exists": (
        "A training run is in that folder.",
        "Continue it with `--resume`, or choose another folder.",
    ),
    "same_frame_id": (
        "Two cameras of a bag name one optical frame.",
        "Give `-p CAMERA.frame_id:=...` for one, or leave it out with `--sources`.",
    ),
    "scene_exists": (
        "A scene of that name is there.",
        "Remove it, or write to another folder.",
    ),
    "self_test_failed": (
        "This machine computes something else than the model's known answers.",
        "Update the driver and ONNX Runtime, or ask for `cpu`.",
    ),
    "shapes_differ": ("Two images of different shapes were compared.", "Bring them to one."),
    "shutting_down": ("The node is ending.", "Start it again."),
    "signature_mismatch": (
        "A package has another file than the one that was signed, more of them, or fewer.",
        "Take the package from its publisher again.",
    ),
    "size_changed": (
        "The images of a camera changed their size.",
        "Cut the video there, or bring it to one size.",
    ),
    "several_nodes": (
        "Several nodes run, and one of them is to be shown.",
        "Name it with `--node`.",
    ),
    "size_mismatch": (
        "Image and camera info have different sizes.",
        "Give the driver the calibration of this resolution; for a bag, "
        "`-p CAMERA.camera_info_url:=FILE`.",
    ),
    "skewed_camera": (
        "The axes of an image are not at right angles.",
        "Rectify it, or calibrate again with a skew of 0.",
    ),
    "store_failed": (
        "An object store did not answer, or did not allow it.",
        "See to the store and the keys, then go on with `--resume`.",
    ),
    "source_silent": (
        "The source of a continuous camera sends nothing.",
        "See the diagnostics of that camera.",
    ),
    "stamp_gaps": (
        "Images of a camera are lost on the way.",
        "Large raw images need the DDS profile (docs/install.md).",
    ),
    "stereo_frame": (
        "P of a right camera puts it beside its own frame: the baseline counts twice.",
        "Name the left camera's frame in the headers, or set P[0][3] to 0.",
    ),
    "tf_contradiction": (
        "Two transforms place a frame differently at one time.",
        "Stop one of the nodes that publish it, or remap its /tf.",
    ),
    "tf_disconnected": (
        "No chain of transforms connects two frames.",
        "Publish the missing link.",
    ),
    "tf_expired": (
        "A transform is older than all that TF still has.",
        "Ask for a later time.",
    ),
    "tf_invalid": ("A transform has impossible numbers.", "Correct its publisher."),
    "tf_invalid_frame": (
        "A frame's name is empty or begins with a slash.",
        "Set `frame_id` without the slash.",
    ),
    "tf_loop": ("TF is not a tree.", "Remove one of the publishers of the loop."),
    "tf_old_data": (
        "A transform is far behind its newest.",
        "See whether there is a second publisher, or a looped recording.",
    ),
    "tf_unknown_frame": (
        "TF does not know a frame (yet).",
        "Start the node that publishes it, or name a frame that is there.",
    ),
    "tf_waiting": (
        "The transform for that time has not come yet.",
        "Wait; if it never comes, see whether its publisher runs.",
    ),
    "timeout": (
        "Something that was waited for did not come.",
        "Look at the log that the text names.",
    ),
    "too_few_frames": (
        "The buffer, or a scene, holds less than a clip.",
        "Wait, raise `buffer_s`, or lower `source_size`; for training, make longer scenes.",
    ),
    "too_few_views": (
        "Scenes of one camera cannot teach views of another.",
        "Mix them in as `NAME/2d`.",
    ),
    "too_large": (
        "A clip would be larger than an answer or a clip may be.",
        "Ask for smaller images or fewer frames, or listen to the topics.",
    ),
    "too_many_cameras": (
        "There are as many virtual cameras as there may be.",
        "Remove one, or raise `max_virtual_cameras`.",
    ),
    "too_many_frames": (
        "The network was not trained on clips that long.",
        "Ask for fewer frames.",
    ),
    "too_many_samples": (
        "A clip with uncertainty would take longer than this node allows.",
        "Ask for fewer `uncertainty_samples`.",
    ),
    "too_old": (
        "The frames that a clip needs are no longer kept.",
        "Ask for a later `end_time`, raise `buffer_s`, or lower `source_size`.",
    ),
    "two_publishers": (
        "Two nodes publish the images of one camera.",
        "Stop one, or remap its topic.",
    ),
    "uncalibrated_camera": (
        "The camera info holds no calibration.",
        "Calibrate the camera, or give its driver the calibration file.",
    ),
    "unfinished_exists": (
        "An augmentation that was stopped lies there, or one that is under way.",
        "Go on with `--resume`, or delete it; wait for the one that is under way.",
    ),
    "unknown_argument": (
        "`anyview node` does not know a word `name:=value`.",
        "Correct it; parameters have `-p` before them.",
    ),
    "unknown_camera": (
        "No camera has that name.",
        "Take one that the text lists, or add it first.",
    ),
    "unknown_fault": (
        "`anyview chaos` has no fault of that name.",
        "Take one that `--list` names.",
    ),
    "unknown_engine": ("No engine has that name.", "Take one that the text lists."),
    "unknown_kind": ("No world is of that kind.", "Take one that the text lists."),
    "unknown_link": ("A world has no such link.", "Take one that the text lists."),
    "unknown_model": (
        "No model package has that name, or a folder holds none.",
        "Take one that the text lists, or give a package's folder.",
    ),
    "unknown_photographs": (
        "Photographs do not come from that package.",
        "Take one that the text lists.",
    ),
    "unknown_provider": ("No provider has that name.", "Take `cpu`, `cuda` or `tensorrt`."),
    "unknown_scene_scale": (
        "No scene scale is known for that source.",
        "Give one: 1/16 driving, 1/8 indoor.",
    ),
    "unknown_service_type": (
        "A service is of a type that is not installed here.",
        "Source the workspace that has it before you start the node.",
    ),
    "unknown_source": (
        "No source camera has that name.",
        "Take one that the text lists, or wait until its topics are there.",
    ),
    "unknown_speed": ("The model has no such speed.", "Take one that the text lists."),
    "unknown_split": ("There is no such split.", "Take one that the text lists."),
    "unknown_topic": (
        "Nothing was recorded on that topic.",
        "Take one that the text lists.",
    ),
    "unknown_type": (
        "No installed package defines a message type.",
        "Install it, or source the workspace that holds it.",
    ),
    "unknown_variant": ("An ablation has no such variant.", "Take one that the text lists."),
    "unknown_weights": (
        "A name is neither a checkpoint nor imported weights.",
        "Give `latest.safetensors`, or a name given to `anyview import`.",
    ),
    "unknown_world": (
        "No world has that name, or its seed is negative.",
        "Take one that the text lists.",
    ),
    "unreadable_bag": (
        "A bag cannot be read.",
        "Give the folder that `ros2 bag record` wrote, or its file.",
    ),
    "unreadable_image": (
        "An image file is damaged.",
        "Restore it, or remove its scene.",
    ),
    "unreadable_video": (
        "A video, or a folder of images, cannot be read.",
        "Give one that FFmpeg plays, or images of one size.",
    ),
    "unsafe_checkpoint": (
        "A file would run code while it is read; nothing of it was run.",
        "Take the file from its publisher.",
    ),
    "unsuitable_period": (
        "Frames of a recording do not come at a multiple of the model's period.",
        "Convert the recording with another `--period`.",
    ),
    "unsupported_encoding": (
        "The node does not read that encoding of images.",
        "Convert it in the driver, or with image_proc.",
    ),
    "worker_died": (
        "The inference process, or a worker of bench or augment, ended: mostly memory ran out.",
        "Ask again: the next request gets a new one; else give fewer `--workers`.",
    ),
    "worker_hung": (
        "The inference process did not answer in time, and was ended.",
        "Ask again: the next request gets a new one.",
    ),
    "wrong_dtype": (
        "Weights of a released file have another type of numbers.",
        "Take the file from its publisher.",
    ),
    "wrong_file": (
        "A file is another one of the release than its option says.",
        "Give each file to its own option.",
    ),
    "wrong_option": (
        "An option is of no use beside the others.",
        "Leave it out.",
    ),
    "zero_stamp": (
        "An image or a transform has no time.",
        "Set `header.stamp` in the driver.",
    ),
    "library_missing": (
        "The Python that runs a command lacks a library.",
        "Training and export need the extra `train`. Beside a sourced ROS activate the environment "
        "that `requirements/` went into.",
    ),
    "not_writable": (
        "The file of a camera cannot be written.",
        "Name another folder with `--out`.",
    ),
    "port_taken": (
        "Something listens on the port of the page already.",
        "End it, or name another port with `--port`.",
    ),
    "viser_missing": (
        "The library of the page is not installed.",
        "Call `./anyview view`, which installs it, or "
        "`pip install 'viser>=1.1,<2' 'websockets>=15'`.",
    ),
}
