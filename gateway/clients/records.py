"""What is kept of a client: enough for any gateway to go on with it."""

import hashlib
import hmac
import secrets
from typing import Final

import msgspec
from msgspec import Struct

from actors.clients import CLIENT_URN, client_key

__all__ = [
    "CLIENTS",
    "ENDED",
    "GATEWAYS",
    "ClientRecord",
    "Target",
    "client_key",
    "ended_key",
    "gateway_key",
    "new_client",
]

CLIENTS: Final = "client/"
# Clients that are gone, until their worker has been told.
ENDED: Final = "ended/"
GATEWAYS: Final = "gateway/"


class Target(Struct, frozen=True, rename="kebab"):
    """The worker of a client, and its functions. `message_form`: what the second parameter is."""

    component: str
    worker: str
    on_message: str
    on_open: str | None = None
    on_close: str | None = None
    message_form: str = "string"
    client_form: str = "handle"

    def client(self, id_: str) -> str:
        """Return a client as the functions want it."""
        return f"{CLIENT_URN}{id_}" if self.client_form == "handle" else id_


class ClientRecord(Struct, frozen=True, rename="kebab"):
    """A client. `gateway` holds it; the resume token is known by its digest."""

    gateway: str
    target: Target
    resume: str
    api: str

    def encode(self) -> bytes:
        """Return what is stored."""
        return msgspec.json.encode(self)

    def may_resume(self, token: str) -> bool:
        """Whether a token is the client's."""
        return hmac.compare_digest(self.resume, _digest(token))


def decode_record(data: bytes) -> ClientRecord:
    """Return a stored record."""
    return msgspec.json.decode(data, type=ClientRecord)


def new_client(gateway: str, target: Target, api: str) -> tuple[str, str, ClientRecord]:
    """Return the id, the resume token and the record of a new client."""
    id_ = secrets.token_hex(12)
    token = f"{id_}.{secrets.token_urlsafe(24)}"
    return id_, token, ClientRecord(gateway, target, _digest(token), api)


def ended_key(client: str) -> str:
    """Return where a client that is gone is kept."""
    return f"{ENDED}{client}"


def gateway_key(name: str) -> str:
    """Return where a gateway says that it lives."""
    return f"{GATEWAYS}{name}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
