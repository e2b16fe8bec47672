"""`shem:gateway/clients`: clients that are connected to a gateway.

A client is its id. Sends leave after the commit, as calls of other workers do, so that a crash
neither loses nor repeats them; what replay needs is whether the client was gone.
"""

from typing import Final, final

import msgspec
from msgspec import Raw

from actors.clients import CLIENT_MESSAGE_BYTES_MAX, client_key
from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.saving import saveable
from wit.values import Value, err, ok

__all__ = ["CLIENTS", "Client"]

_NAME: Final = "shem:gateway/clients"
_REASON_BYTES_MAX: Final = 123
_NORMAL: Final = 1000
_OWN_CODES: Final = range(3000, 5000)
_encode = msgspec.json.Encoder().encode

CLIENTS = HostInterface(_NAME, version="0.1.0")


@saveable("gateway/client", "id")
@final
class Client:
    """The resource `client`."""

    def __init__(self, id_: str) -> None:
        self.id = id_


@CLIENTS.function("[constructor]client", Kind.PURE)
def new(context: HostContext, id_: str) -> Client:
    """Return the client with an id."""
    del context
    return Client(id_)


@CLIENTS.function("[method]client.id", Kind.PURE)
def id_of(context: HostContext, client: Client) -> str:
    """Return its id."""
    del context
    return client.id


@CLIENTS.function("[method]client.send", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def send(context: HostContext, client: Client, message: Value) -> Value:
    """Send a text or bytes."""
    kind, payload = message
    size = len(payload.encode()) if kind == "text" else len(payload)
    if size > CLIENT_MESSAGE_BYTES_MAX:
        return err(("too-large", CLIENT_MESSAGE_BYTES_MAX))
    return await _send(context, "send", client, {kind: payload})


@CLIENTS.function("[method]client.send-text", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def send_text(context: HostContext, client: Client, text: str) -> Value:
    """Send a text."""
    return await send(context, client, ("text", text))


@CLIENTS.function("[method]client.send-binary", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def send_binary(context: HostContext, client: Client, data: bytes) -> Value:
    """Send bytes."""
    return await send(context, client, ("binary", bytes(data)))


@CLIENTS.function("[method]client.close", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def close(context: HostContext, client: Client, code: int, reason: str) -> Value:
    """End the connection."""
    if code != _NORMAL and code not in _OWN_CODES:
        return err(("bad-code", None))
    shortened = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
    return await _send(context, "close", client, {"close": code, "reason": shortened})


@CLIENTS.function("[method]client.is-open", Kind.READ_REMOTE, blocking=True)
async def is_open(context: HostContext, client: Client) -> bool:
    """Tell whether it is not gone."""
    return await context.stores.clients.get(client_key(client.id)) is not None


async def _send(context: HostContext, name: str, client: Client, message: object) -> Value:
    call = f"{_NAME}#[method]client.{name}"
    refused = await context.send_to_client(call, client.id, Raw(_encode(message)))
    return ok() if refused is None else err(("gone", None))
