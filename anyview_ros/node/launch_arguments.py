"""Words of launch arguments as values: ROS refuses a string where a bool is declared."""

from __future__ import annotations

import yaml

from anyview_ros.errors import AnyviewError

# The words of YAML 1.1, as in parameter files, and the digits of launch's conditions.
TRUE_WORDS = ("true", "yes", "on", "1")
FALSE_WORDS = ("false", "no", "off", "0")


def flag(name: str, word: str) -> bool:
    """Return what a switch says: `flag("autostart", "yes")` is True.

    Raises:
        AnyviewError: `invalid_launch_argument`.
    """
    if (lower := word.strip().lower()) in TRUE_WORDS + FALSE_WORDS:
        return lower in TRUE_WORDS
    raise _refused(name, "true or false", word)


def whole_number(name: str, word: str) -> int:
    """Return an integer; errors as `flag`."""
    try:
        return int(word)
    except ValueError:
        raise _refused(name, "a whole number", word) from None


def number(name: str, word: str) -> float:
    """Return a float; errors as `flag`."""
    try:
        return float(word)
    except ValueError:
        raise _refused(name, "a number", word) from None


def names(name: str, word: str) -> list[str]:
    """Return a list of names, written `front,left` or as YAML: `['front', 'left']`.

    Errors as `flag`.
    """
    needed = "names as front,left or ['front', 'left']"
    try:
        value = yaml.safe_load(word)
    except yaml.YAMLError:
        raise _refused(name, needed, word) from None
    entries = value.split(",") if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise _refused(name, needed, word)
    return [entry.strip() for entry in entries]


def _refused(name: str, needed: str, word: str) -> AnyviewError:
    return AnyviewError(
        "invalid_launch_argument",
        f"{name}:={word} was given; it must be {needed}",
    )
