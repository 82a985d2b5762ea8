"""A robot to try it with: worlds, stills and videos as cameras in ROS."""
