"""Scenes on disk and recordings: scene folders and bags, read and written. No ROS, no torch."""
