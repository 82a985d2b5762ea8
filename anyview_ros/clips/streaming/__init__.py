"""One continuous camera: what it has answered, what waits, and which clip is next."""
