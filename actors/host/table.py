"""The durability table: every function that this host offers, with its kind.

Replay is only as right as this table, so it stands in one place and is printed for people as
`docs/DURABILITY.md`. Adding an interface is adding a line here.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from actors.host.golem import context, durability, host, oplog, rpc_types
from actors.host.interface import HostFunction, HostInterface, Kind
from actors.host.shem import clients, timeouts
from actors.host.wasi import (
    blobstore,
    cli_environment,
    cli_stdio,
    clocks_monotonic_clock,
    clocks_wall_clock,
    config,
    filesystem_paths,
    filesystem_types,
    http_requests,
    http_responses,
    io_error,
    io_poll,
    io_streams,
    keyvalue_cache,
    keyvalue_eventual,
    keyvalue_store,
    keyvalue_types,
    logging,
    random,
    sockets_network,
    sockets_tcp,
    sockets_udp,
)

__all__ = ["TABLE", "render", "table_of"]


def table_of(interfaces: Iterable[HostInterface]) -> Mapping[str, HostInterface]:
    """Index interfaces by name without version; each name once."""
    table: dict[str, HostInterface] = {}
    for interface in interfaces:
        assert interface.name not in table, f"{interface.name} stands in the table twice"
        table[interface.name] = interface
    return table


TABLE: Final = table_of(
    (
        io_error.ERROR,
        io_poll.POLL,
        io_streams.STREAMS,
        clocks_monotonic_clock.MONOTONIC_CLOCK,
        clocks_wall_clock.WALL_CLOCK,
        clocks_wall_clock.TIMEZONE,
        random.RANDOM,
        random.INSECURE,
        random.INSECURE_SEED,
        cli_environment.ENVIRONMENT,
        cli_environment.EXIT,
        cli_stdio.STDIN,
        cli_stdio.STDOUT,
        cli_stdio.STDERR,
        cli_stdio.TERMINAL_INPUT,
        cli_stdio.TERMINAL_OUTPUT,
        cli_stdio.TERMINAL_STDIN,
        cli_stdio.TERMINAL_STDOUT,
        cli_stdio.TERMINAL_STDERR,
        filesystem_paths.TYPES,
        filesystem_types.PREOPENS,
        sockets_network.NETWORK,
        sockets_network.INSTANCE_NETWORK,
        sockets_network.IP_NAME_LOOKUP,
        sockets_tcp.TCP,
        sockets_tcp.TCP_CREATE_SOCKET,
        sockets_udp.UDP,
        sockets_udp.UDP_CREATE_SOCKET,
        http_responses.TYPES,
        http_requests.OUTGOING_HANDLER,
        config.STORE,
        logging.LOGGING,
        keyvalue_store.STORE,
        keyvalue_store.ATOMICS,
        keyvalue_store.BATCH,
        keyvalue_types.ERROR,
        keyvalue_types.TYPES,
        keyvalue_eventual.EVENTUAL,
        keyvalue_eventual.EVENTUAL_BATCH,
        keyvalue_eventual.ATOMIC,
        keyvalue_cache.CACHE,
        blobstore.TYPES,
        blobstore.CONTAINER,
        blobstore.BLOBSTORE,
        rpc_types.TYPES,
        host.HOST,
        context.CONTEXT,
        oplog.OPLOG,
        durability.DURABILITY,
        clients.CLIENTS,
        timeouts.TIMEOUTS,
    )
)

_INTRODUCTION: Final = (
    "What replay does about each function that a component can import. "
    "`tests/unit/host/test_table.py` keeps this page equal to the code."
)
_MEANINGS: Final = {
    Kind.PURE: "inside the worker; runs again at replay, nothing is recorded",
    Kind.READ_LOCAL: "reads this machine; the result is recorded",
    Kind.WRITE_LOCAL: "changes this machine; the result is recorded",
    Kind.READ_REMOTE: "reads something outside; the result is recorded",
    Kind.WRITE_REMOTE: "changes something outside; repeated with its key if the result is lost",
    Kind.WRITE_REMOTE_BATCHED: "several calls that are one exchange; repeated as a whole",
    Kind.WRITE_REMOTE_TRANSACTION: "several calls in a transaction of the other side",
    Kind.BLOCKING: "waits; the result is recorded when the wait is over",
}


def render(table: Mapping[str, HostInterface]) -> str:
    """Return the table as Markdown: interfaces sorted, functions as declared."""
    kinds = "\n".join(f"| {kind.value} | {meaning} |" for kind, meaning in _MEANINGS.items())
    parts = [
        "# Durability of host functions",
        _INTRODUCTION,
        "| kind | meaning |\n|---|---|\n" + kinds,
        *(_render_interface(table[name]) for name in sorted(table)),
    ]
    return "\n\n".join(parts) + "\n"


def _render_interface(interface: HostInterface) -> str:
    names = [f"{interface.name}@{one}" if one else interface.name for one in interface.versions]
    title = "## " + ", ".join(names)
    if not interface.functions:
        return f"{title}\n\nDeclares resources only."
    rows = "\n".join(
        f"| `{function.name}` | {_shown(function)} |" for function in interface.functions.values()
    )
    return f"{title}\n\n| function | kind |\n|---|---|\n{rows}"


def _shown(function: HostFunction) -> str:
    return (function.records or function.kind).value
