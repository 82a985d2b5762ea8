"""The street: city blocks, traffic, people, and the rig of a car."""
