"""`shem deploy`: what a deployment needs besides Shem itself."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from msgspec import json

from broker.sharding import PARTITIONS_MAX, STREAMS_MAX
from broker.subjects import PARTITIONS_DEFAULT
from shem.cli.arguments import parse_pairs
from shem.cli.output import FAILED, Format, FormatOption, Output
from shem.deploy import BundleOptions, made_with, merged, write_bundle
from shem.errors import RefusedError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make what a deployment needs.")


@app.callback()
def root() -> None:
    """Options before the command."""


@app.command(
    "nats",
    epilog="Examples: `shem deploy nats ./nats --host nats.example.com` · "
    "`shem deploy nats ./nats --host n0 --host n1 --host n2 --namespace shop --client webshop`",
)
def nats(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where everything is written.")],
    *,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="HOST", help="Where a server is reached; once for each."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Where they listen. By default 4222.")
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An account of its own; repeatable. By default `shem`."),
    ] = None,
    client: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One more identity that may only invoke; repeatable."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMESPACE=SIZE", help="How much it may store, like shop=10GB."),
    ] = None,
    store_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="How much a server may store.")
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Where the servers find these files. By default /etc/nats."
        ),
    ] = None,
    store_dir: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where the servers keep their data. By default /data."),
    ] = None,
    streams: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=STREAMS_MAX,
            help="Streams that hold the logs, as executors are told. By default one.",
        ),
    ] = None,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=PARTITIONS_MAX,
            help=f"Partitions, if there are several streams. By default {PARTITIONS_DEFAULT}.",
        ),
    ] = None,
    jwt: Annotated[
        bool,
        typer.Option(
            "--jwt", help="Signed accounts and identities (.creds) instead of lists of keys."
        ),
    ] = False,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew", help="Forget with which options the folder was made: what is not named goes."
        ),
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write NATS configurations with TLS, an account per namespace and an identity per role.

    Run again it keeps all keys, and renews the servers' certificate when it is about to expire.
    Options that are not named are as they were before; of one that is repeatable, what is not
    named again is left out. The servers take changes of accounts, identities and certificates over
    at `nats-server --signal reload`.
    """
    output = Output(format_)
    named: dict[str, Any] = {
        "hosts": host or None,
        "port": port,
        "namespaces": namespace or None,
        "clients": client or None,
        "limits": dict(parse_pairs("--limit", limit)) if limit else None,
        "store_limit": store_limit,
        "prefix": prefix,
        "store_dir": store_dir,
        "streams": streams,
        "partitions": partitions,
        "jwt": jwt or None,
    }
    try:
        before = made_with(folder)
        options = merged(None if anew else before, named)
        written = write_bundle(folder, options, datetime.now(UTC))
    except OSError as error:
        output.fail(RefusedError(f"{folder}: {error.strerror}", kind="cannot-write"))
        raise typer.Exit(FAILED) from error
    except RefusedError as error:
        output.fail(error)
        raise typer.Exit(FAILED) from error
    for change in _changes(before, options):
        output.messages.print(change, highlight=False, markup=False)
    names = ", ".join(f"{folder / name}.conf" for name in written.servers)
    output.done(
        f"servers: {names}, with a certificate until {written.certificate_until}\n"
        f"identities: {folder / 'identities'}, each with an .env file",
        written,
    )


def _changes(before: BundleOptions | None, now: BundleOptions) -> Iterator[str]:
    """Say what is not as it was: who forgets to name something must hear of it."""
    if before is None:
        return
    old, new = (json.decode(json.encode(each)) for each in (before, now))
    for name, value in new.items():
        if value != old[name]:
            yield f"changed: {name.replace('_', '-')} {_told(old[name])} to {_told(value)}"


def _told(value: object) -> str:
    if isinstance(value, dict):
        value = [f"{name}={of}" for name, of in cast("dict[str, object]", value).items()]
    if isinstance(value, list | tuple):
        return ", ".join(map(str, cast("list[object]", value))) or "none"
    return "none" if value is None else str(value)
