"""The network of family `one_way`: a small denoiser whose sources know nothing of the target."""
