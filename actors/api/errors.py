"""Errors that a management request is answered with.

ApiError                    has a stable `kind`; terminal unless the kind is `unavailable`
"""

__all__ = ["ApiError"]


class ApiError(Exception):
    """A request that cannot be answered. `kind` is for programs, the message for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
