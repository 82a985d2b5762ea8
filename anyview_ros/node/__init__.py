"""The ROS 2 side: nodes and what they are made of. The only place that imports rclpy."""
