"""The networks, in torch, and their export to a model package."""
