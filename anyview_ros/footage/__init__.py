"""Frames on disk: video files, folders of images, scenes of several cameras. No ROS, no torch."""
