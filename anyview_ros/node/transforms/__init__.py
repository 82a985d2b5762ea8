"""Where frames are: TF over time, and poses in the frame that does not move."""
