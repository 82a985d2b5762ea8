"""A robot to try the node with, what it records, and the report of it."""
