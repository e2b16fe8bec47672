"""A folder with everything that servers and identities need; made again, it keeps its keys.

ca.pem, ca.key          the authority; its key stays with you
tls/                    what every server has: certificate, key, the authority's certificate
accounts.conf           namespaces and what each identity may do
NAME.conf               one for each server
identities/NAMESPACE/ROLE.nk, ROLE.env
                        a key, and the environment with which `shem` is that identity

With JWTs there are also the keys that sign, which stay with you (operator.nk, system.nk, and
account.nk of each namespace), and ROLE.creds, which an identity shows instead of its key alone.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from actors.secrets import KEY_FILE_VARIABLE, new_key
from broker.permissions import Role, permissions_of
from broker.sharding import mappings
from broker.subjects import PARTITIONS_DEFAULT
from shem.deploy.certificates import Pair, make_authority, make_certificate
from shem.deploy.jwt import (
    AccountClaims,
    account_jwt,
    creds_text,
    operator_jwt,
    say_the_same,
    size_in_bytes,
    user_jwt,
)
from shem.deploy.keys import KeyKind, kept_key, write_file
from shem.deploy.nats_text import (
    OPERATOR_LINE,
    Identity,
    ServerText,
    accounts_text,
    server_text,
    signed_accounts_text,
)
from shem.errors import RefusedError

__all__ = ["BundleOptions", "Written", "write_bundle"]

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_SYSTEM: Final = "SYS"
_RESERVED: Final = frozenset({_SYSTEM, "ACCOUNT"})
_ACCOUNT_KEY: Final = "account.nk"
_ACCOUNTS: Final = "accounts.conf"


class BundleOptions(Struct, frozen=True, kw_only=True):
    """What is to be made. `hosts`: where each server is reached, by which clients connect.

    `prefix` is the folder under which servers find these files; `clients` further identities of the
    role client, for each namespace. `limits`: how much a namespace may store, like `10GB`.
    `streams` hold the logs; with several, incoming subjects are mapped to `partitions`.
    With `jwt` an operator signs accounts and accounts sign identities; otherwise servers have a
    list of all of them.
    """

    hosts: Sequence[str] = ("localhost",)
    port: int = 4222
    namespaces: Sequence[str] = ("shem",)
    clients: Sequence[str] = ()
    limits: dict[str, str | None] = {}
    prefix: str = "/etc/nats"
    store_dir: str = "/data"
    store_limit: str | None = None
    monitor: str | None = "0.0.0.0:8222"
    extra_hosts: Sequence[str] = ("localhost", "127.0.0.1")
    sync: str = "always"
    streams: int = 1
    partitions: int = PARTITIONS_DEFAULT
    jwt: bool = False


class Written(Struct, frozen=True, kw_only=True):
    """What there is now: servers' configurations, and identities by namespace."""

    servers: tuple[str, ...]
    identities: dict[str, tuple[str, ...]]


def write_bundle(folder: Path, options: BundleOptions, now: datetime) -> Written:
    """Write the bundle; keys and certificates that are there are kept, what is missing is made.

    Raises:
        RefusedError: a name cannot be used.
        OSError: a file cannot be written.
    """
    for name in (*options.namespaces, *options.clients):
        if not _NAME.fullmatch(name) or name.upper() in _RESERVED or name in set(Role):
            raise RefusedError(
                f"{name!r} cannot name a namespace or client: letters, digits, '-' and '_', "
                "a letter first, and no role",
                kind="bad-name",
            )
    folder.mkdir(parents=True, exist_ok=True)
    _write_tls(folder, options, now)
    found: dict[str, list[Identity]] = {}
    for namespace in options.namespaces:
        found[namespace] = [
            _identity(folder, options, namespace, name, role)
            for name, role in (
                *((role.value, role) for role in Role),
                *((client, Role.CLIENT) for client in options.clients),
            )
        ]
        keys = folder / "identities" / namespace / "secrets.key"
        if not keys.exists():
            write_file(keys, f"{new_key()}\n", private=True)
    if options.jwt:
        text = _signed(folder, options, found, now)
    else:
        mapped = options.partitions if options.streams > 1 else None
        text = accounts_text(found, limits=options.limits, mapped_partitions=mapped)
    write_file(folder / _ACCOUNTS, text)
    names = [f"nats-{number}" for number in range(len(options.hosts))]
    for name in names:
        server = ServerText(
            name=name,
            listen=f"0.0.0.0:{options.port}",
            store_dir=options.store_dir,
            tls_dir=f"{options.prefix}/tls",
            accounts_file=_ACCOUNTS,
            peers=options.hosts,
            monitor=options.monitor,
            store_limit=options.store_limit,
            sync=options.sync,
        )
        write_file(folder / f"{name}.conf", server_text(server))
    return Written(
        servers=tuple(names),
        identities={name: tuple(each.name for each in users) for name, users in found.items()},
    )


def _write_tls(folder: Path, options: BundleOptions, now: datetime) -> None:
    authority = _kept(folder / "ca.pem", folder / "ca.key")
    if authority is None:
        authority = make_authority("shem", now)
        write_file(folder / "ca.pem", authority.certificate)
        write_file(folder / "ca.key", authority.key, private=True)
    tls = folder / "tls"
    tls.mkdir(exist_ok=True)
    write_file(tls / "ca.pem", authority.certificate)
    # One for all servers: it names every host, so a new host needs a new one.
    hosts = tuple(dict.fromkeys((*options.hosts, *options.extra_hosts)))
    known = tls / "hosts"
    if not known.exists() or known.read_text().split() != list(hosts):
        pair = make_certificate(authority, "shem-nats", hosts, now)
        write_file(tls / "server.pem", pair.certificate)
        write_file(tls / "server.key", pair.key, private=True)
        write_file(known, "\n".join(hosts) + "\n")


def _identity(
    folder: Path, options: BundleOptions, namespace: str, name: str, role: Role
) -> Identity:
    place = folder / "identities" / namespace
    place.mkdir(parents=True, exist_ok=True)
    key = kept_key(place / f"{name}.nk", KeyKind.USER)
    inbox = f"_INBOX.{name}"
    urls = ",".join(f"tls://{host}:{options.port}" for host in options.hosts)
    proof = ("CREDS", "creds") if options.jwt else ("NKEY", "nk")
    environment = {
        "SHEM_NATS_URL": urls,
        f"SHEM_NATS_{proof[0]}": str((place / f"{name}.{proof[1]}").resolve()),
        "SHEM_NATS_CA": str((folder / "ca.pem").resolve()),
        "SHEM_NATS_INBOX": inbox,
    }
    if role is Role.EXECUTOR:
        environment[KEY_FILE_VARIABLE] = str((place / "secrets.key").resolve())
    lines = "".join(f"{variable}={text}\n" for variable, text in environment.items())
    write_file(place / f"{name}.env", lines)
    return Identity(
        name=name,
        public_key=key.public,
        permissions=permissions_of(role, inbox, streams=options.streams),
    )


def _signed(
    folder: Path, options: BundleOptions, found: Mapping[str, Sequence[Identity]], now: datetime
) -> str:
    """Sign everybody's claims; return what servers have to know."""
    at_s = int(now.timestamp())
    operator = kept_key(folder / "operator.nk", KeyKind.OPERATOR)
    system = kept_key(folder / "system.nk", KeyKind.ACCOUNT)
    sorted_into = mappings(options.partitions) if options.streams > 1 else {}
    about = AccountClaims(name=_SYSTEM, disk_bytes=0)
    accounts = {system.public: (_SYSTEM, account_jwt(operator, system.public, about, at_s=at_s))}
    for namespace, users in found.items():
        place = folder / "identities" / namespace
        account = kept_key(place / _ACCOUNT_KEY, KeyKind.ACCOUNT)
        for user in users:
            claims = user_jwt(account, user.public_key, user.name, user.permissions, at_s=at_s)
            seed = kept_key(place / f"{user.name}.nk", KeyKind.USER).seed
            write_file(place / f"{user.name}.creds", creds_text(claims, seed), private=True)
        limit = options.limits.get(namespace)
        about = AccountClaims(
            name=namespace,
            disk_bytes=None if limit is None else size_in_bytes(limit),
            mappings=sorted_into,
            revoked=_revoked(place, users, at_s),
        )
        claims = account_jwt(operator, account.public, about, at_s=at_s)
        accounts[account.public] = namespace, claims
    claims = _kept_claims(folder, operator_jwt(operator, system_account=system.public, at_s=at_s))
    return signed_accounts_text(claims, system_account=system.public, accounts=accounts)


def _kept_claims(folder: Path, claims: str) -> str:
    """Return the operator's claims as servers have them, unless the new ones say something else.

    A server that runs refuses any configuration with other claims of its operator, were they only
    signed a second later.
    """
    file = folder / _ACCOUNTS
    lines = file.read_text().splitlines() if file.exists() else []
    there = (line.removeprefix(OPERATOR_LINE) for line in lines if line.startswith(OPERATOR_LINE))
    return next((kept for kept in there if say_the_same(kept, claims)), claims)


def _revoked(place: Path, users: Sequence[Identity], at_s: int) -> dict[str, int]:
    """Return identities that were made before and are not wanted any more."""
    wanted = {f"{user.name}.nk" for user in users} | {_ACCOUNT_KEY}
    left_out = sorted(file for file in place.glob("*.nk") if file.name not in wanted)
    return {kept_key(file, KeyKind.USER).public: at_s for file in left_out}


def _kept(certificate: Path, key: Path) -> Pair | None:
    if certificate.exists() and key.exists():
        return Pair(certificate.read_bytes(), key.read_bytes())
    return None
