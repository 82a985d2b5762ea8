"""ONNX Runtime: sessions, providers, bound tensors, memory, and the checks of a load."""
