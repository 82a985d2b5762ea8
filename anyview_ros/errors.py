"""The one error type that users cause, with a stable code for callers and a text for people."""


class AnyviewError(ValueError):
    """Bad input, named.

    Args:
        code: stable identifier, lower case with underscores, returned in the `code` field of
            every service; callers may branch on it, so a code never changes its meaning.
        message: what was needed, what came, where, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["AnyviewError"], tuple[str, str]]:
        # ValueError would be rebuilt from its message alone when it crosses a process.
        return AnyviewError, (self.code, self.message)
