"""Data sets for training from an augmented recording, one module a format."""
