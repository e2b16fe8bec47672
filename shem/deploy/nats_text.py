"""The text of a NATS server's configuration."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final

from msgspec import Struct

from broker.permissions import Permissions
from broker.server_text import quoted
from broker.sharding import mappings_text

__all__ = [
    "OPERATOR_LINE",
    "Identity",
    "ServerText",
    "accounts_text",
    "server_text",
    "signed_accounts_text",
    "url_host",
]

OPERATOR_LINE: Final = "operator: "
MAX_PAYLOAD: Final = "8MB"
MAX_PENDING: Final = "64MB"


class Identity(Struct, frozen=True, kw_only=True):
    """A user of an account: the public half of its key, and what it may do."""

    name: str
    public_key: str
    permissions: Permissions


class ServerText(Struct, frozen=True, kw_only=True):
    """What is particular to one server. Paths are where the server finds them.

    `store_limit` and `monitor` as in NATS, like `50GB` and `0.0.0.0:8222`. `peers` are the hosts
    of all servers of the cluster, this one included; one alone is no cluster.
    """

    name: str
    listen: str
    store_dir: str
    tls_dir: str
    accounts_file: str
    peers: Sequence[str] = ()
    cluster_port: int = 6222
    monitor: str | None = None
    store_limit: str | None = None
    sync: str = "always"


def server_text(server: ServerText) -> str:
    """Return the configuration of one server; it includes the accounts, which all share."""
    limit = f"\n  max_file_store: {server.store_limit}" if server.store_limit else ""
    monitor = f"\nhttp: {server.monitor}" if server.monitor else ""
    return f"""\
# Made by `shem deploy nats`. What all servers share is in the file of the accounts.
server_name: {server.name}
listen: {server.listen}{monitor}
max_payload: {MAX_PAYLOAD}
max_pending: {MAX_PENDING}
{_tls(server.tls_dir, verify=False)}
# Every message is on the disk before it is acknowledged: nothing is lost with the power.
jetstream {{
  store_dir: {quoted(server.store_dir)}
  sync_interval: {server.sync}{limit}
}}
{_cluster(server)}include {server.accounts_file}
"""


def accounts_text(
    namespaces: Mapping[str, Sequence[Identity]],
    *,
    limits: Mapping[str, str | None],
    mapped_partitions: int | None = None,
) -> str:
    """Return the accounts: one for each namespace, which no message leaves.

    `limits`: how much an account may store, by namespace. `mapped_partitions`: sort invocations
    into so many partitions, for several streams.
    """
    mapping = "" if mapped_partitions is None else mappings_text(mapped_partitions)
    parts = ["accounts {"]
    for name, identities in namespaces.items():
        limit = limits.get(name)
        storage = "enabled" if limit is None else f"{{ max_file: {limit} }}"
        parts += [f"  {name} {{", f"    jetstream: {storage}"]
        parts += [f"    {line}" for line in mapping.splitlines()]
        parts += ["    users: ["]
        parts += [_user(each) for each in identities]
        parts += ["    ]", "  }"]
    # Nobody has a key for it: it is there so that the servers' own subjects belong to no namespace.
    parts += ["  SYS {}", "}", "system_account: SYS", ""]
    return "\n".join(parts)


def signed_accounts_text(
    operator: str, *, system_account: str, accounts: Mapping[str, tuple[str, str]]
) -> str:
    """Return the same for accounts that an operator signed.

    `operator`: its claims; `accounts`: name and claims of each by its public key, `system_account`
    among them. The servers hold no key.
    """
    parts = [f"{OPERATOR_LINE}{operator}", f"system_account: {system_account}", "resolver: MEMORY"]
    parts += ["resolver_preload: {"]
    for public, (name, claims) in accounts.items():
        parts += [f"  # {name}", f"  {public}: {claims}"]
    return "\n".join([*parts, "}", ""])


def url_host(host: str) -> str:
    """Return a host as it stands in a URL."""
    try:
        return f"[{host}]" if isinstance(ip_address(host), IPv6Address) else host
    except ValueError:
        return host


def _user(identity: Identity) -> str:
    may = identity.permissions
    denied = f", deny: {_listed(may.publish_denied)}" if may.publish_denied else ""
    return (
        f"      # {identity.name}\n"
        f"      {{ nkey: {identity.public_key}, permissions: {{\n"
        f"        publish: {{ allow: {_listed(may.publish)}{denied} }}\n"
        f"        subscribe: {{ allow: {_listed(may.subscribe)} }}\n"
        "      } }"
    )


def _listed(subjects: Sequence[str]) -> str:
    quoted = ", ".join(f'"{each}"' for each in subjects)
    return f"[{quoted}]"


def _tls(folder: str, *, verify: bool) -> str:
    return f"""\
tls {{
  cert_file: {quoted(f"{folder}/server.pem")}
  key_file: {quoted(f"{folder}/server.key")}
  ca_file: {quoted(f"{folder}/ca.pem")}
  verify: {"true" if verify else "false"}
}}"""


def _cluster(server: ServerText) -> str:
    if len(server.peers) < 2:
        return ""
    routes = ", ".join(f'"tls://{url_host(peer)}:{server.cluster_port}"' for peer in server.peers)
    tls = "\n  ".join(_tls(server.tls_dir, verify=True).splitlines())
    return f"""\
cluster {{
  name: shem
  listen: 0.0.0.0:{server.cluster_port}
  routes: [{routes}]
  {tls}
}}
"""
