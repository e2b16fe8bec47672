"""What a bundle is to be, and whether that can be."""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from broker.permissions import Role
from broker.subjects import PARTITIONS_DEFAULT
from shem.deploy.sizes import size_in_bytes
from shem.errors import RefusedError

__all__ = ["OPTIONS", "SYSTEM", "BundleOptions", "checked", "made_with", "merged"]

OPTIONS: Final = "options.json"

SYSTEM: Final = "SYS"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_RESERVED: Final = frozenset({SYSTEM, "ACCOUNT"})
_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


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


def made_with(folder: Path) -> BundleOptions | None:
    """Return what a bundle was made with; None: there is none, or it is of before that was kept.

    Raises:
        RefusedError: its file says nothing of the kind.
        OSError: it cannot be read.
    """
    file = folder / OPTIONS
    if not file.exists():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=BundleOptions)
    except msgspec.DecodeError as error:
        raise RefusedError(
            f"{file}: {error}: remove the file and name all options again", kind="bad-options"
        ) from error


def merged(before: BundleOptions | None, named: Mapping[str, Any]) -> BundleOptions:
    """Return the options as they are `named`; those that are None are as `before`."""
    options = before or BundleOptions()
    given = {name: value for name, value in named.items() if value is not None}
    if "limits" not in given:
        # Who left the namespace out, left its limit out.
        namespaces = given.get("namespaces", options.namespaces)
        limits = options.limits.items()
        given["limits"] = {name: limit for name, limit in limits if name in namespaces}
    return structs.replace(options, **given)


def checked(options: BundleOptions) -> None:
    """Refuse what servers would refuse, or would take for something else.

    Raises:
        RefusedError: a name, host or size cannot be used.
    """
    for name in (*options.namespaces, *options.clients):
        if not _NAME.fullmatch(name) or name.upper() in _RESERVED or name in set(Role):
            raise RefusedError(
                f"{name!r} cannot name a namespace or client: letters, digits, '-' and '_', "
                "a letter first, and no role",
                kind="bad-name",
            )
    for host in options.hosts:
        _check_host(host)
    for names in (options.namespaces, options.clients, options.hosts):
        twice = next((name for name in names if list(names).count(name) > 1), None)
        if twice is not None:
            raise RefusedError(f"{twice!r} is named twice", kind="bad-name")
    _check_sizes(options)


def _check_host(host: str) -> None:
    try:
        ip_address(host)
    except ValueError:
        if not _HOST.fullmatch(host):
            raise RefusedError(
                f"{host!r} is no host: expected a name like nats.example.com (others than ASCII "
                "in their xn-- form) or an address, without scheme and port",
                kind="bad-name",
            ) from None


def _check_sizes(options: BundleOptions) -> None:
    unknown = [name for name in options.limits if name not in options.namespaces]
    if unknown:
        raise RefusedError(
            f"--limit {unknown[0]}: there is no such namespace, only "
            f"{', '.join(options.namespaces)}",
            kind="bad-name",
        )
    for size in (*options.limits.values(), options.store_limit):
        if size is not None:
            size_in_bytes(size)
