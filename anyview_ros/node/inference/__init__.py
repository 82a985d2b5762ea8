"""The model and the process it runs in."""
