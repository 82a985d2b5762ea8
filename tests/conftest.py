"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# Hypothesis gives an example 200 ms of the wall clock: that measures a busy machine, not the code.
settings.register_profile("anyview", deadline=None)
settings.load_profile("anyview")
