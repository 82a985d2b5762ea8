"""From the bytes of a message to rectified pixels of a known camera. No ROS, no torch."""
