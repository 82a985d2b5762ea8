"""All targets by name."""

from __future__ import annotations

from tests.fuzz import images, packages, recordings, texts

TARGETS = {**images.TARGETS, **packages.TARGETS, **texts.TARGETS, **recordings.TARGETS}
