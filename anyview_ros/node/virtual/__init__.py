"""The cameras a robot does not have: asked for, placed, steered, and their topics."""
