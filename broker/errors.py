"""Errors of the broker package.

BrokerError
├── RetryableError            the same call may succeed later
│   ├── UnavailableError      not connected, no responders, timed out: nothing is known to be done
│   └── OutcomeUnknownError   an append may or may not be stored: read before going on
├── TerminalError             the same call fails again
│   ├── FencedError           another writer has appended: stop writing, drop the state
│   ├── TooLargeError         above the broker's or our own limit
│   ├── TooManyError          above a limit of how many there may be
│   ├── NotFoundError         no such bucket key, object or message
│   ├── ExistsError           a create or compare-and-set lost
│   ├── PermissionDeniedError  the identity may not do this
│   └── SetupError            server too old, feature missing, stream made with other settings
└── InternalError             our bug
"""

__all__ = [
    "BrokerError",
    "ExistsError",
    "FencedError",
    "InternalError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RetryableError",
    "SetupError",
    "TerminalError",
    "TooLargeError",
    "TooManyError",
    "UnavailableError",
]


class BrokerError(Exception):
    """Anything that goes wrong between us and the broker."""


class RetryableError(BrokerError):
    """The same call may succeed later."""


class TerminalError(BrokerError):
    """The same call fails again."""


class InternalError(BrokerError):
    """A bug of ours."""


class UnavailableError(RetryableError):
    """Not connected, no responders, or no answer in time."""


class OutcomeUnknownError(RetryableError):
    """An append may or may not have been stored."""


class FencedError(TerminalError):
    """Somebody else has appended to the subject. `sequence` is theirs, if known."""

    def __init__(self, message: str, *, sequence: int | None = None) -> None:
        super().__init__(message)
        self.sequence = sequence


class TooLargeError(TerminalError):
    """The message is above a limit."""


class TooManyError(TerminalError):
    """There are as many as there may be."""


class NotFoundError(TerminalError):
    """No such key, object or message."""


class ExistsError(TerminalError):
    """A create or a compare-and-set lost against another writer."""


class PermissionDeniedError(TerminalError):
    """The identity we connected with may not do this."""


class SetupError(TerminalError):
    """The server or its stream is not as Shem needs it. The message says what to do."""
