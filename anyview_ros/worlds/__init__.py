"""Procedural scenes and their ray-caster: pure functions of (kind, seed, stamp)."""
