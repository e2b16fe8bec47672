"""A folder with everything that servers and identities need; made again, it keeps its keys.

ca.pem, ca.key          the authority; its key stays with you
tls/                    what every server has: certificate, key, the authority's certificate
accounts.conf           namespaces and what each identity may do
NAME.conf               one for each server
options.json            what all this was made with, which counts again where nothing else is said
identities/NAMESPACE/ROLE.nk, ROLE.env
                        a key, and the environment with which `shem` is that identity

With JWTs there are also the keys that sign, which stay with you (operator.nk, system.nk, and
account.nk of each namespace), ROLE.creds, which an identity shows instead of its key alone, and
signed.txt with the public half of every key that was ever signed in a namespace.
"""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from actors.secrets import KEY_FILE_VARIABLE, new_key
from broker.permissions import Role, permissions_of
from broker.sharding import mappings
from shem.deploy.jwt import (
    AccountClaims,
    account_jwt,
    creds_text,
    operator_jwt,
    say_the_same,
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
    url_host,
)
from shem.deploy.options import OPTIONS, SYSTEM, BundleOptions, checked
from shem.deploy.sizes import size_in_bytes
from shem.deploy.tls import write_tls
from shem.errors import RefusedError

__all__ = ["Written", "write_bundle"]

_ACCOUNT_KEY: Final = "account.nk"
_ACCOUNTS: Final = "accounts.conf"
_SIGNED: Final = "signed.txt"
# Who is left out is refused whatever its claims say, also by a clock that was ahead of ours.
_FOR_EVER_S: Final = 253_402_300_799


class Written(Struct, frozen=True, kw_only=True):
    """What there is now: servers' configurations, and identities by namespace.

    `certificate_until`: the last day of the servers' certificate.
    """

    servers: tuple[str, ...]
    identities: dict[str, tuple[str, ...]]
    certificate_until: str


def write_bundle(folder: Path, options: BundleOptions, now: datetime) -> Written:
    """Write the bundle; keys that are there are kept, what is missing is made.

    So are certificates, until they are about to expire.

    Raises:
        RefusedError: options cannot be used, or not with what the folder holds already.
        OSError: a file cannot be written.
    """
    checked(options)
    _refuse_other_way(folder, options)
    folder.mkdir(parents=True, exist_ok=True)
    until = write_tls(folder, options, now)
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
    # Last: what was interrupted is named again.
    write_file(folder / OPTIONS, msgspec.json.format(msgspec.json.encode(options)) + b"\n")
    return Written(
        servers=tuple(names),
        identities={name: tuple(each.name for each in users) for name, users in found.items()},
        certificate_until=until.date().isoformat(),
    )


def _refuse_other_way(folder: Path, options: BundleOptions) -> None:
    """Refuse to go from lists of keys to signed accounts, or back.

    Accounts have other names then: servers would not find what is stored in them.
    """
    file = folder / _ACCOUNTS
    if not file.exists() or file.read_text().startswith(OPERATOR_LINE) == options.jwt:
        return
    was, now = ("without", "with") if options.jwt else ("with", "without")
    raise RefusedError(
        f"{folder} was made {was} --jwt: {now} it servers would know other accounts, and not find "
        "what is stored in these. Name another folder for new servers",
        kind="other-way",
    )


def _identity(
    folder: Path, options: BundleOptions, namespace: str, name: str, role: Role
) -> Identity:
    place = folder / "identities" / namespace
    place.mkdir(parents=True, exist_ok=True)
    key = kept_key(place / f"{name}.nk", KeyKind.USER)
    inbox = f"_INBOX.{name}"
    urls = ",".join(f"tls://{url_host(host)}:{options.port}" for host in options.hosts)
    proof = ("CREDS", "creds") if options.jwt else ("NKEY", "nk")
    environment = {
        "SHEM_NATS_URL": urls,
        f"SHEM_NATS_{proof[0]}": str((place / f"{name}.{proof[1]}").resolve()),
        "SHEM_NATS_CA": str((folder / "ca.pem").resolve()),
        "SHEM_NATS_INBOX": inbox,
    }
    if role is Role.EXECUTOR:
        environment[KEY_FILE_VARIABLE] = str((place / "secrets.key").resolve())
    lines = "".join(f"{variable}={shlex.quote(text)}\n" for variable, text in environment.items())
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
    about = AccountClaims(name=SYSTEM, disk_bytes=0)
    accounts = {system.public: (SYSTEM, account_jwt(operator, system.public, about, at_s=at_s))}
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
            revoked=_revoked(place, users),
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


def _revoked(place: Path, users: Sequence[Identity]) -> dict[str, int]:
    """Return the keys that were signed before and are not wanted any more.

    Their files may be gone, which is how somebody replaces a key that others know.
    """
    file = place / _SIGNED
    known = file.read_text().split() if file.exists() else []
    wanted = [user.public_key for user in users]
    kept = (each for each in sorted(place.glob("*.nk")) if each.name != _ACCOUNT_KEY)
    there = [kept_key(each, KeyKind.USER).public for each in kept]
    everybody = dict.fromkeys((*known, *there, *wanted))
    write_file(file, "".join(f"{key}\n" for key in everybody))
    return {key: _FOR_EVER_S for key in everybody if key not in wanted}
