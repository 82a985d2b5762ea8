"""What a recording gives, handed from the thread that reads it to the one that cuts clips."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from anyview_ros.augment.reading import BATCH_EVENTS, QUEUE_BATCHES, Event, Reading, Transforms
from anyview_ros.clips.intake.intake_config import IntakeConfig
from anyview_ros.datasets.bag_choice import BagOptions

MANY = 2 * QUEUE_BATCHES * BATCH_EVENTS + 1  # more than wait at once; the last batch is not full


class Recorded(Reading):
    """Reads events that are there, and fails if an error is."""

    def __init__(self, events: list[Event], error: Exception | None = None) -> None:
        nothing: Any = None
        config = IntakeConfig(0.1, ((64, 96),), "area", "pixel_centre")
        super().__init__(nothing, {}, BagOptions(), config, (), 1.0)
        self._recorded, self._error = events, error

    def _read(self) -> Iterator[Event]:
        yield from self._recorded
        if self._error is not None:
            raise self._error


def events() -> list[Event]:
    return [Transforms((), static=False) for _ in range(MANY)]


def test_all_events_come_in_their_order() -> None:
    recorded = events()
    assert list(Recorded(recorded).events()) == recorded


def test_what_was_read_before_an_error_comes_first() -> None:
    recorded, found = events(), list[Event]()
    with pytest.raises(OSError, match="gone"):
        list(map(found.append, Recorded(recorded, OSError("gone")).events()))
    assert found == recorded


def test_the_thread_ends_with_one_who_wants_no_more() -> None:
    reading = Recorded(events()).events()
    assert isinstance(reading, Generator)
    next(reading)
    reading.close()
