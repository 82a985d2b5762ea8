"""What a node says of itself on /diagnostics, as words that a fault may be named by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from anyview_ros import diagnostic_keys as keys

CODE, PROBLEM, DEATHS, NODE_GONE = "code", "problem.", "worker_deaths", "node_gone"
GONE_S = 2.5  # without a word


class Reported:
    """The newest statuses of one node, and what they named since. Not thread-safe.

    Args:
        node: its full name without the first slash.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._counts: dict[tuple[str, str], int] = {}
        self.values: dict[str, dict[str, str]] = {}  # of the newest statuses, by subject
        self.named: set[str] = set()  # since `forget`
        self.now: set[str] = set()  # in the newest message
        self.messages = 0
        self.heard_s = 0.0

    def forget(self) -> None:
        """Begin anew with what was named; counts go on."""
        self.named = set()

    def new_life(self) -> None:
        """Begin anew with counts, too: the node was started again."""
        self._counts.clear()
        self.values.clear()
        self.now = set()

    def add(self, statuses: Iterable[Any], now_s: float) -> Iterator[str]:
        """Take in a message; yield which ledgers do not add up."""
        ours: dict[str, dict[str, str]] = {}
        for status in statuses:
            if (named := keys.parts(status)) and named[0] == self._node:
                ours[named[1]] = {pair.key: pair.value for pair in status.values}
        if not ours:
            return
        if self.heard_s and now_s - self.heard_s > GONE_S:
            self.named.add(NODE_GONE)
        self.values, self.heard_s = ours, now_s
        self.messages += 1
        self.now = {word for subject, values in ours.items() for word in _words(values)}
        rising = set[str]()
        for subject, values in ours.items():
            rising |= self._rising(subject, values)
            yield from _unbalanced(subject, values)
        self.named |= self.now | rising

    def look(self, now_s: float) -> None:
        """Note where the node has said nothing for long."""
        if self.heard_s and now_s - self.heard_s > GONE_S:
            self.named.add(NODE_GONE)

    def memory_mb(self) -> float | None:
        """Return what the node and its inference process hold; None where that is not known."""
        load = self.values.get(keys.LOAD, {})
        parts = [load.get(process + keys.MEMORY_MB) for process in (keys.NODE, keys.WORKER)]
        return sum(map(float, filter(None, parts))) if all(parts) else None

    def pid(self, process: str) -> int | None:
        """Return the id of `keys.NODE` or `keys.WORKER`; None where there is none."""
        found = self.values.get(keys.LOAD, {}).get(process + keys.PID, "")
        return int(found) if found.isdecimal() else None

    def _rising(self, subject: str, values: Mapping[str, str]) -> set[str]:
        found = set[str]()
        for key, value in values.items():
            word = _counted(key)
            if word and value.isdecimal():
                before, self._counts[subject, key] = self._counts.get((subject, key)), int(value)
                if before is not None and int(value) > before:
                    found.add(word)
                elif before is None and self.messages > 1 and int(value):
                    found.add(word)  # a reason that there was not before
        return found


def _words(values: Mapping[str, str]) -> Iterator[str]:
    """Yield the codes of what is wrong now."""
    for key, value in values.items():
        if key == CODE:
            yield value
        elif key.startswith(PROBLEM):
            yield key.removeprefix(PROBLEM)


def _counted(key: str) -> str:
    """Return the word of a count that rises where something goes wrong; empty for other values."""
    for prefix in (keys.DROPPED, keys.SKIPPED):
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return "worker_died" if key == DEATHS else ""


def _unbalanced(subject: str, values: Mapping[str, str]) -> Iterator[str]:
    """Yield that a ledger does not add up: added up here, and as it says of itself."""
    if values.get(keys.BALANCED, keys.TRUE) != keys.TRUE:
        yield f"the ledger of {subject} says that it does not add up"
    if keys.RECEIVED in values:
        whole = int(values[keys.RECEIVED])
        parts = sum(int(values[part]) for part in keys.LEDGER_PARTS)
        parts += sum(keys.reasons(values, keys.DROPPED).values())
    elif keys.SEEN in values:
        whole = int(values[keys.SEEN])
        parts = int(values[keys.PUBLISHED]) + int(values[keys.WAITING])
        parts += sum(keys.reasons(values, keys.SKIPPED).values())
    else:
        return
    if whole != parts:
        yield f"the ledger of {subject} has {whole} frames, and {parts} in its parts"
