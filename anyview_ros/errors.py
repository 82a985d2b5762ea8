"""The one error type that users cause, with a stable code for callers and a text for people."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Retry = Literal[
    "never",  # the call fails again until its caller changes something
    "arrival",  # messages that lack are on their way: wait for them, with a limit of time
    "renewal",  # transforms that came do not fit; others may come in their place
    "readiness",  # the node or a source is not ready, and may be at any time
    "more_frames",  # the buffer holds less than a clip
    "new_clip",  # the frames make no clip: one that leaves out the first of them may be made
    "new_process",  # the inference process ended or hung, and the next call starts another
]

# Of a running node. What reads files has nothing to wait for, and raises some of these too.
RETRIES: Mapping[str, Retry] = MappingProxyType(
    {
        "no_camera_info": "arrival",
        "tf_disconnected": "arrival",
        "tf_unknown_frame": "arrival",
        "tf_waiting": "arrival",
        "tf_expired": "renewal",  # after a jump the old transforms go and the right ones come
        "tf_loop": "renewal",
        "empty_buffer": "readiness",
        "inactive": "readiness",
        "no_model": "readiness",
        "no_sources": "readiness",
        "not_yet": "readiness",
        "unknown_source": "readiness",
        "too_few_frames": "more_frames",
        "calibration_changed": "new_clip",
        "clip_duplicate": "new_clip",
        "clip_gap": "new_clip",
        "too_old": "new_clip",
        "worker_died": "new_process",
        "worker_hung": "new_process",
    }
)


MAX_TEXT = 4000  # characters: what came may be any text of any length


class AnyviewError(ValueError):
    """Bad input, named.

    Args:
        code: stable identifier, lower case with underscores, returned in the `code` field of
            every service; callers may branch on it, so a code never changes its meaning.
        message: what was needed, what came, where, and what to do; of one longer than MAX_TEXT the
            middle is left out, for it goes into terminals, logs and answers over DDS.
    """

    def __init__(self, code: str, message: str) -> None:
        if len(message) > MAX_TEXT:
            message = f"{message[: MAX_TEXT // 2]} [...] {message[-MAX_TEXT // 4 :]}"
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def retry(self) -> Retry:
        """What lets the same call succeed later.

        It follows from the code, so that it survives processes, services and other words.
        """
        return RETRIES.get(self.code, "never")

    def __reduce__(self) -> tuple[type[AnyviewError], tuple[str, str]]:
        # ValueError would be rebuilt from its message alone when it crosses a process.
        return AnyviewError, (self.code, self.message)


def cause(error: Exception) -> str:
    """Return what a library says of a file, in a line: its text, or its name where it has none."""
    text = " ".join(str(error).split())
    plain = isinstance(error, OSError | ValueError) and text
    return text[:120] if plain else f"{type(error).__name__}: {text[:120]}".removesuffix(": ")
