"""Training of the network that estimates how far away the surface of each pixel of a source is."""
