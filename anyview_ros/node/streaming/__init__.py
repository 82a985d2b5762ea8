"""Virtual cameras that are published continuously: which clip is next, and whose turn."""
