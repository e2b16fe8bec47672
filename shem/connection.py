"""How this process reaches the broker: settings from the environment, overridden by arguments.

Secrets travel to child processes by the environment, never on a command line that others can see.
"""

import os
from pathlib import Path
from typing import Final, Self

from msgspec import Struct

from broker.errors import SetupError
from broker.jetstream.options import DEFAULT_INBOX, ClientKind, ConnectOptions
from shem.location import URL_VARIABLE, find_url

__all__ = ["CONNECT_TIMEOUT_S", "VARIABLES", "Connection"]

CONNECT_TIMEOUT_S: Final = 10.0

# Field of `Connection` by environment variable.
VARIABLES: Final = {
    URL_VARIABLE: "url",
    "SHEM_NATS_USER": "user",
    "SHEM_NATS_PASSWORD": "password",
    "SHEM_NATS_TOKEN": "token",
    "SHEM_NATS_NKEY": "nkey_seed_file",
    "SHEM_NATS_CREDS": "creds_file",
    "SHEM_NATS_CA": "tls_ca",
    "SHEM_NATS_CERT": "tls_cert",
    "SHEM_NATS_CERT_KEY": "tls_key",
    "SHEM_NATS_MONITOR": "monitor_url",
    "SHEM_NATS_INBOX": "inbox",
    "SHEM_NATS_CLIENT": "client",
}


class Connection(Struct, frozen=True, kw_only=True):
    """Where the broker is and who we are. `url` may name several servers, separated by commas.

    Files are paths: an nkey seed, NATS credentials, a PEM of the authority, of our certificate and
    of its key. `monitor_url` is the server's HTTP monitoring endpoint, used to see how it syncs.
    `inbox` is the prefix of the subjects on which we may be answered.
    `client` is a `ClientKind`: the protocol client of ours (`auto`, `lean`), or `nats-py`.
    """

    url: str | None = None
    user: str | None = None
    password: str | None = None
    token: str | None = None
    nkey_seed_file: str | None = None
    creds_file: str | None = None
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    monitor_url: str | None = None
    inbox: str | None = None
    client: str | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """Read the `SHEM_NATS_*` variables; empty ones count as unset."""
        found = {field: os.environ.get(name) or None for name, field in VARIABLES.items()}
        return cls(**found)

    def to_environment(self) -> dict[str, str]:
        """Return the variables that make a child process connect in the same way."""
        values = {name: getattr(self, field) for name, field in VARIABLES.items()}
        return {name: value for name, value in values.items() if value is not None}

    def options(
        self, *, name: str, assume_durable: bool = False, timeout_s: float = CONNECT_TIMEOUT_S
    ) -> ConnectOptions:
        """Return the options of the broker adapter; `name` shows up in the server's monitoring.

        Raises:
            SetupError: there is no such client.
        """
        place = self.url or find_url()
        return ConnectOptions(
            servers=tuple(part.strip() for part in place.split(",")),
            name=name,
            user=self.user,
            password=self.password,
            token=self.token,
            nkey_seed_file=_path(self.nkey_seed_file),
            creds_file=_path(self.creds_file),
            tls_ca=_path(self.tls_ca),
            tls_cert=_path(self.tls_cert),
            tls_key=_path(self.tls_key),
            monitor_url=self.monitor_url,
            inbox_prefix=self.inbox or DEFAULT_INBOX,
            client=_client_kind(self.client),
            assume_durable=assume_durable,
            connect_timeout_s=timeout_s,
        )


def _client_kind(text: str | None) -> ClientKind:
    try:
        return ClientKind.AUTO if text is None else ClientKind(text)
    except ValueError:
        expected = ", ".join(ClientKind)
        raise SetupError(f"SHEM_NATS_CLIENT is {text!r}, expected one of {expected}") from None


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
