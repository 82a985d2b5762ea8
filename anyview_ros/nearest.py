"""The word that somebody meant, of those there are."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the word that is nearest; empty where none is near."""
    from difflib import get_close_matches  # takes longer to load than --help has

    return next(iter(get_close_matches(word, list(known), n=1)), "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'depth'?`, ready to end a sentence; empty where no word is near."""
    meant = nearest(word, known)
    return f"; did you mean '{meant}'?" if meant else ""
