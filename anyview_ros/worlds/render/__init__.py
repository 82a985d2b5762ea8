"""The ray-caster: rows of primitives to pixels and depth."""
