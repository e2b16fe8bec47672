"""Payloads too large for a message: they lie in the object store, and the message says where.

The header `Shem-Payload` is `{"$blob": name, "size": n, "sha256": digest}`. Names begin with the
worker's, so that its deletion removes them: whoever sent one removes it once the outcome is known,
and may have died before. The log repeats the parameters, so replay never looks here.
"""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct, field

from actors.errors import RejectedError
from actors.limits import PAYLOAD_BYTES_MAX
from broker import subjects
from broker.errors import NotFoundError
from broker.ports import Blobs, Message
from oplog.entries import Failure

__all__ = ["HEADER", "enclosed", "enclosure_prefix", "sweep_enclosures"]

HEADER: Final = "Shem-Payload"


class _Enclosure(Struct, frozen=True, forbid_unknown_fields=True):
    name: str = field(name="$blob")
    size: int
    sha256: str


_decode: Final = msgspec.json.Decoder(_Enclosure).decode


def enclosure_prefix(component: str, worker: str) -> str:
    """Return what the names of the payloads for a worker begin with."""
    return f"invocation/{subjects.encode_token(component)}/{subjects.encode_token(worker)}/"


async def enclosed(message: Message, blobs: Blobs, *, component: str, worker: str) -> Message:
    """Return a message with its payload inside.

    Raises:
        RejectedError: the payload is gone, is not what was said, or is too large.
        UnavailableError: the object store does not answer; try again.
    """
    if "Shem-Repeat" in message.headers:
        raise _refused("bad-message", f"{HEADER} and Shem-Repeat do not go together")
    try:
        told = _decode(message.headers[HEADER])
    except msgspec.DecodeError as error:
        raise _refused("bad-message", f"bad header: {HEADER}: {error}") from error
    if told.size > PAYLOAD_BYTES_MAX:
        text = f"the payload has {told.size} bytes, at most {PAYLOAD_BYTES_MAX} are taken"
        raise _refused("too-large", text)
    if not told.name.startswith(enclosure_prefix(component, worker)):
        raise _refused("bad-message", f"the payload {told.name!r} is not this worker's")
    try:
        data = await blobs.get(told.name)
    except NotFoundError as error:
        text = f"the payload {told.name!r} is gone; send the invocation again"
        raise _refused("bad-message", text) from error
    if len(data) != told.size or hashlib.sha256(data).hexdigest() != told.sha256:
        raise _refused("bad-message", f"the payload {told.name!r} is not what was sent")
    return msgspec.structs.replace(message, data=data)


async def sweep_enclosures(blobs: Blobs, component: str, worker: str) -> None:
    """Remove the payloads that a worker leaves behind."""
    for name in await blobs.names(enclosure_prefix(component, worker)):
        await blobs.delete(name)


def _refused(kind: str, text: str) -> RejectedError:
    return RejectedError(Failure(kind=kind, message=text))
