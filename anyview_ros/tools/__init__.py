"""Tools around the node: recording, reports, checks."""
