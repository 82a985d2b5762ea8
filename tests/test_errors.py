"""Errors keep what they are across processes, and know what a retry needs."""

from __future__ import annotations

import pickle

from anyview_ros.errors import RETRIES, AnyviewError
from tests.remedies.collected import collect


def test_error_keeps_code_text_and_retry_across_processes() -> None:
    error = pickle.loads(pickle.dumps(AnyviewError("worker_died", "some words")))
    assert type(error) is AnyviewError
    assert (error.code, str(error), error.retry) == ("worker_died", "some words", "new_process")


def test_no_retry_helps_where_none_is_named() -> None:
    assert AnyviewError("invalid_rate", "some words").retry == "never"


def test_every_code_with_a_retry_is_raised() -> None:
    raised = {code for error in collect() for code in error.code.split(" | ")}
    assert not RETRIES.keys() - raised
