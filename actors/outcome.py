"""What a caller is told: the outcome of an invocation as a message."""

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from oplog.entries import Failure

__all__ = ["Answer", "Outcome", "encode_answer"]


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of a result message, see docs/MESSAGES.md.

    `result_at` says where in the object store a result lies that no message can carry.
    """

    key: str
    function: str | None = None
    result: Raw | UnsetType = UNSET
    result_at: Raw | UnsetType = msgspec.field(default=UNSET, name="result-at")
    wave: str | None = None
    error: Failure | None = None


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a command: one of the two."""

    ok: Raw | UnsetType = UNSET
    error: Failure | None = None


_encoder = msgspec.json.Encoder()


def encode_answer(*, ok: object = None, error: Failure | None = None) -> bytes:
    """Return the body of an answer to a command."""
    if error is not None:
        return _encoder.encode(Answer(error=error))
    return _encoder.encode(Answer(ok=Raw(_encoder.encode(ok))))
