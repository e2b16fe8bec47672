"""The authority and the servers' certificate in a bundle: kept, renewed, or missed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from shem.deploy.certificates import Pair, is_good, make_authority, make_certificate, until
from shem.deploy.keys import write_file
from shem.deploy.options import BundleOptions
from shem.errors import RefusedError

__all__ = ["RENEWED_BEFORE_DAYS", "write_tls"]

RENEWED_BEFORE_DAYS: Final = 90
"""A certificate that has no more than so many days is made again."""


def write_tls(folder: Path, options: BundleOptions, now: datetime) -> datetime:
    """Write what is missing or about to expire; return until when the servers' certificate is good.

    The authority's key may lie elsewhere as long as nothing has to be signed.

    Raises:
        RefusedError: something has to be signed, and the authority's key is not there.
    """
    if not (folder / "ca.pem").exists():
        authority = make_authority("shem", now)
        write_file(folder / "ca.key", authority.key, private=True)
        write_file(folder / "ca.pem", authority.certificate)
    trusted, key = (folder / "ca.pem").read_bytes(), _read(folder / "ca.key")
    tls = folder / "tls"
    tls.mkdir(exist_ok=True)
    # One for all servers: it names every host, so a new host needs a new one.
    hosts = tuple(dict.fromkeys((*options.hosts, *options.extra_hosts)))
    server = Pair(_read(tls / "server.pem"), _read(tls / "server.key"))
    # An authority of others names what it likes besides the hosts.
    lacks = _lacking(server, trusted, hosts if key else tuple(options.hosts), now)
    if lacks is not None:
        if not key:
            raise RefusedError(
                f"{lacks}, and {folder / 'ca.key'}, which would sign another one, is not there: "
                "put it back. (Without ca.pem, too, a new authority is made, whose ca.pem "
                "everybody needs then.)",
                kind="no-authority",
            )
        server = make_certificate(Pair(trusted, key), "shem-nats", hosts, now)
        write_file(tls / "server.pem", server.certificate)
        write_file(tls / "server.key", server.key, private=True)
    write_file(tls / "ca.pem", trusted)
    return min(until(server.certificate), until(trusted))


def _lacking(server: Pair, trusted: bytes, hosts: tuple[str, ...], now: datetime) -> str | None:
    """Say why the servers need another certificate, None: they do not."""
    if not is_good(server, trusted, hosts):
        return f"the servers have no certificate of this authority for {', '.join(hosts)}"
    end = until(server.certificate)
    if end - now.astimezone(UTC) <= timedelta(days=RENEWED_BEFORE_DAYS):
        return f"the servers' certificate expires on {end.date()}"
    return None


def _read(file: Path) -> bytes:
    return file.read_bytes() if file.exists() else b""
