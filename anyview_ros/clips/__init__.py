"""Frames in a buffer, and what a clip is made of: sources, windows, placements. No ROS."""
