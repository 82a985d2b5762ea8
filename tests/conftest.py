"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Hypothesis limits an example to 200 ms of the wall clock, and the making of examples to a second:
# on a busy machine that measures the machine.
settings.register_profile("anyview", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anyview")
