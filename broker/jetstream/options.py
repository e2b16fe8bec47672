"""How to reach the broker, as whom, and what it has to look like."""

from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from broker.errors import SetupError

__all__ = [
    "DEFAULT_INBOX",
    "ClientKind",
    "ConnectOptions",
    "ServerAddress",
    "addresses",
    "with_url_credentials",
]


DEFAULT_INBOX: Final = "_INBOX"


class ClientKind(StrEnum):
    """Which client speaks to the server."""

    AUTO = "auto"
    LEAN = "lean"
    NATS_PY = "nats-py"


class ConnectOptions(Struct, frozen=True, kw_only=True):
    """Everything that may be configured about a connection.

    `servers` are `nats://` or `tls://` URLs, tried in turn. At most one of user and password,
    token, nkey seed and credentials file says who we are; user and password may also stand in the
    URL. `partitions`, `streams` and `replicas` None take what is there, or 16, 1
    and 1 for a new broker. Who `runs_workers` is refused where a backup is being restored.
    """

    servers: tuple[str, ...]
    name: str = "shem"
    user: str | None = None
    password: str | None = None
    token: str | None = None
    nkey_seed: str | None = None
    nkey_seed_file: Path | None = None
    creds_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_server_name: str | None = None
    inbox_prefix: str = DEFAULT_INBOX
    js_domain: str | None = None
    partitions: int | None = None
    streams: int | None = None
    replicas: int | None = None
    client: ClientKind = ClientKind.AUTO
    connect_timeout_s: float = 10.0
    monitor_url: str | None = None
    assume_durable: bool = False
    runs_workers: bool = False

    @property
    def wants_tls(self) -> bool:
        """Whether the connection must be encrypted whatever the server says."""
        named = self.tls_ca or self.tls_cert or self.tls_key
        return named is not None or any(url.startswith("tls://") for url in self.servers)

    def with_monitor(self, url: str) -> "ConnectOptions":
        """Return the same with another monitoring endpoint."""
        return replace(self, monitor_url=url)

    @property
    def api_prefix(self) -> str:
        """Where JetStream answers."""
        return "$JS.API." if self.js_domain is None else f"$JS.{self.js_domain}.API."


class ServerAddress(Struct, frozen=True):
    """One server of the list."""

    host: str
    port: int


def addresses(options: ConnectOptions) -> list[ServerAddress]:
    """Return where the servers listen.

    Raises:
        SetupError: no server is named, or a URL is malformed.
    """
    if not options.servers:
        raise SetupError("no NATS server is named: give at least one nats://host:port URL")
    found: list[ServerAddress] = []
    for url in options.servers:
        try:
            parts = urlsplit(url if "://" in url else f"nats://{url}")
            port = parts.port or 4222
        except ValueError as error:
            raise SetupError(f"NATS server URL {url!r} is malformed: {error}") from error
        if parts.scheme not in {"nats", "tls"} or not parts.hostname:
            raise SetupError(
                f"NATS server URL {url!r}: expected nats://host:port or tls://host:port"
            )
        found.append(ServerAddress(host=parts.hostname, port=port))
    return found


def with_url_credentials(options: ConnectOptions) -> ConnectOptions:
    """Return the options with user, password or token taken over from the first URL that has them.

    Raises:
        SetupError: more than one way of authentication is configured.
    """
    for url in options.servers:
        parts = urlsplit(url if "://" in url else f"nats://{url}")
        if parts.username is None:
            continue
        if parts.password is None:
            options = replace(options, token=options.token or unquote(parts.username))
        else:
            options = replace(
                options,
                user=options.user or unquote(parts.username),
                password=options.password or unquote(parts.password),
            )
        break
    ways = {
        "user": options.user,
        "token": options.token,
        "nkey_seed": options.nkey_seed,
        "nkey_seed_file": options.nkey_seed_file,
        "creds_file": options.creds_file,
    }
    chosen = [name for name, value in ways.items() if value is not None]
    if len(chosen) > 1:
        raise SetupError(
            f"several ways to authenticate are configured ({', '.join(chosen)}): keep one"
        )
    return options
