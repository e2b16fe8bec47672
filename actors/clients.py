"""Names of connected clients, for who sends to them and for who holds their connections."""

from typing import Final, final

from broker.errors import BrokerError
from broker.ports import Bucket, BucketEntry

__all__ = [
    "CLIENT_MESSAGE_BYTES_MAX",
    "CLIENT_RESOURCE",
    "CLIENT_URN",
    "ConnectedClients",
    "client_key",
    "client_of",
]

# The resource that guests hold, by the interface without its version.
CLIENT_RESOURCE: Final = ("shem:gateway/clients", "client")
CLIENT_URN: Final = "urn:shem:client:"
_PREFIX: Final = "client/"
# One message to a client, in bytes.
CLIENT_MESSAGE_BYTES_MAX: Final = 256 * 1024


@final
class ConnectedClients:
    """Which clients are there, followed from the first question on.

    A worker that sends to a thousand clients asks a thousand times: only who is not known to be
    there is asked for, since what is followed may lag behind. Who has just gone may be told to be
    there, as it may go right after the answer anyway.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._known: set[str] = set()
        self._follows = False

    async def has(self, client: str) -> bool:
        """Whether a client is not gone; what a guest says is a client may be any text.

        Raises:
            RetryableError: the broker does not answer.
        """
        if client in self._known:
            return True
        if not self._follows:
            self._follows = True
            try:
                # For as long as the connection lives.
                await self._bucket.watch(self._on_entry, prefix=_PREFIX)
            except BrokerError:
                self._follows = False
                raise
        entry = await self._bucket.get(client_key(client))
        return entry is not None and entry.data is not None

    def _on_entry(self, entry: BucketEntry) -> None:
        client = entry.key.removeprefix(_PREFIX)
        (self._known.discard if entry.data is None else self._known.add)(client)


def client_key(client: str) -> str:
    """Return where the record of a client is kept, as long as it is not gone."""
    return f"{_PREFIX}{client}"


def client_of(urn: str) -> str:
    """Return the client that a URN names.

    Raises:
        ValueError: it names none.
    """
    client = urn.removeprefix(CLIENT_URN)
    if client == urn or not client:
        raise ValueError(f"expected {CLIENT_URN}<id>")
    return client
