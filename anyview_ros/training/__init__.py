"""Training data and the training loop, in torch."""
