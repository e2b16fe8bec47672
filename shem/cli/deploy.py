"""`shem deploy`: what a deployment needs besides Shem itself."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from broker.sharding import PARTITIONS_MAX, STREAMS_MAX
from broker.subjects import PARTITIONS_DEFAULT
from shem.cli.arguments import parse_pairs
from shem.cli.output import FAILED, Format, FormatOption, Output
from shem.deploy import BundleOptions, write_bundle
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
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Where they listen.")] = 4222,
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
        str, typer.Option(metavar="DIR", help="Where the servers find these files.")
    ] = "/etc/nats",
    store_dir: Annotated[
        str, typer.Option(metavar="DIR", help="Where the servers keep their data.")
    ] = "/data",
    streams: Annotated[
        int,
        typer.Option(
            min=1, max=STREAMS_MAX, help="Streams that hold the logs, as executors are told."
        ),
    ] = 1,
    partitions: Annotated[
        int,
        typer.Option(min=1, max=PARTITIONS_MAX, help="Partitions, if there are several streams."),
    ] = PARTITIONS_DEFAULT,
    jwt: Annotated[
        bool,
        typer.Option(
            "--jwt", help="Signed accounts and identities (.creds) instead of lists of keys."
        ),
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write NATS configurations with TLS, an account per namespace and an identity per role.

    Run again it keeps all keys, and renews the servers' certificate when it is about to expire.
    Name everything again: what is not named is left out. The servers take changes of accounts,
    identities and certificates over at `nats-server --signal reload`.
    """
    output = Output(format_)
    options = BundleOptions(
        hosts=tuple(host or ["localhost"]),
        port=port,
        namespaces=tuple(namespace or ["shem"]),
        clients=tuple(client or []),
        limits=dict(parse_pairs("--limit", limit)),
        store_limit=store_limit,
        prefix=prefix,
        store_dir=store_dir,
        streams=streams,
        partitions=partitions,
        jwt=jwt,
    )
    try:
        written = write_bundle(folder, options, datetime.now(UTC))
    except OSError as error:
        output.fail(RefusedError(f"{folder}: {error.strerror}", kind="cannot-write"))
        raise typer.Exit(FAILED) from error
    except RefusedError as error:
        output.fail(error)
        raise typer.Exit(FAILED) from error
    names = ", ".join(f"{folder / name}.conf" for name in written.servers)
    output.done(
        f"servers: {names}, with a certificate until {written.certificate_until}\n"
        f"identities: {folder / 'identities'}, each with an .env file",
        written,
    )
