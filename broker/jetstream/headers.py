"""Message headers: which are ours to show, and how any text travels in one.

A header value ends at a line break, so message ids, which contain text of users, are
percent-encoded; other values must be printable already.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

from broker.errors import InternalError
from broker.layout import MESSAGE_ID
from broker.ports import NO_HEADERS

__all__ = [
    "decode_message_id",
    "encode_message_id",
    "is_forged",
    "user_headers",
    "with_user_headers",
]

_is_plain: Final = re.compile(r"[!-$&-~]+").fullmatch
_SAFE: Final = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_RESERVED: Final = "Nats-"
_SCHEDULER: Final = "Nats-Scheduler"
_SCHEDULES: Final = "shem.sched."
_SCHEDULES_OF_PARTITION: Final = re.compile(r"shem\.oplog\.[0-9]+\.[^.]+\.[^.]+\.sched\.[^.]+")


def encode_message_id(message_id: str) -> str:
    """Return a printable form that no other id has."""
    if _is_plain(message_id):
        return message_id
    return quote(message_id, safe=_SAFE)


def decode_message_id(text: str) -> str:
    """Return the id that `encode_message_id` made `text` of."""
    return unquote(text) if "%" in text else text


def is_forged(headers: Mapping[str, str]) -> bool:
    """Say whether a message was published by a schedule that nobody may have made.

    The server takes any message for a schedule that has the headers of one, and publishes to the
    target without asking whether its sender might have. Whoever may invoke could write logs and
    command workers that way. Who may not publish to `shem.sched.>`, and to where several streams
    keep schedules, cannot make one there, and the server itself names where a schedule was kept: it
    refuses that header from clients.
    """
    kept_at = headers.get(_SCHEDULER)
    return kept_at is not None and not (
        kept_at.startswith(_SCHEDULES) or _SCHEDULES_OF_PARTITION.fullmatch(kept_at)
    )


def user_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers without the broker's own, except the message id."""
    if not headers:
        return NO_HEADERS
    shown = {name: value for name, value in headers.items() if name[:5] != _RESERVED}
    message_id = headers.get(MESSAGE_ID)
    if message_id is not None:
        shown[MESSAGE_ID] = decode_message_id(message_id)
    return shown


def with_user_headers(own: dict[str, str], headers: Mapping[str, str]) -> dict[str, str]:
    """Return the broker's headers and the user's together.

    Raises:
        InternalError: a value holds a line break, or a name is reserved for the broker.
    """
    # One look at all of them first, since it is asked for every message.
    text = "".join([*headers, *headers.values()])
    if "\n" in text or "\r" in text or _RESERVED in text:
        for name, value in headers.items():
            if "\n" in value or "\r" in value:
                raise InternalError(f"header {name!r} holds a line break: encode its value")
            if name.startswith(_RESERVED):
                raise InternalError(f"header {name!r} is the broker's own: choose another name")
    own.update(headers)
    return own
