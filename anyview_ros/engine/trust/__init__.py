"""How far a pixel can be believed: coverage, photo-consistency, spread of answers."""
