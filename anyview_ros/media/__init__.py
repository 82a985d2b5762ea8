"""Pictures and video, in and out. No ROS, no torch."""
