"""Training of the network that says how far away the surface of each pixel of a source is."""
