"""The ROS 2 node, and the rig that stands in for a robot: what they are made of."""
