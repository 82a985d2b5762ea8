"""From a clip to the frames of a virtual camera; no ROS, no torch."""
