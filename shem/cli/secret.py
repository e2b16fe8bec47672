"""`shem secret`: secrets of components, which nothing ever tells."""

import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from actors.secrets import KEY_FILE_VARIABLE, KeyRing, KeysError, new_key
from shem.cli.output import FAILED, Format, FormatOption, Output, table
from shem.cli.session import run
from shem.client import Client
from shem.errors import RefusedError

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Secrets of components, encrypted by executors; guests read them as `secret:NAME` by "
    "`wasi:config/store`.",
)

SecretId = Annotated[str, typer.Argument(metavar="COMPONENT/NAME", show_default=False)]


@app.command("set", epilog="Example: `shem secret set shop/api-key < key.txt`")
def set_(
    which: SecretId,
    *,
    file: Annotated[
        Path | None,
        typer.Option(help="Read it from a file instead of stdin.", show_default=False),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Set a secret, or a new version of it, from stdin; one line break at its end is left out.

    Workers read the new version from their next read on. What they have read stays theirs at
    replay.
    """
    output = Output(format_)
    component, name = _parse(which)
    value = _read(output, file)

    async def work(client: Client) -> None:
        version = await client.secrets.set(component, name, value)
        document = {"component": component, "name": name, "version": version}
        output.done(f"{which} has version {version}", document)

    run(output, work, component=component)


@app.command("list", epilog="Example: `shem secret list shop`")
def list_(
    component: Annotated[
        str | None, typer.Argument(metavar="[COMPONENT]", show_default=False)
    ] = None,
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """List secrets with their versions; no value is told."""
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await client.secrets.all(component)

        def text(console: Console) -> None:
            shown = table("SECRET", "VERSIONS")
            for each in found:
                shown.add_row(f"{each.component}/{each.name}", ", ".join(map(str, each.versions)))
            console.print(shown)

        output.document(found, text)

    run(output, work, component=component)


@app.command("delete", epilog="Example: `shem secret delete shop/api-key --version 1`")
def delete(
    which: SecretId,
    *,
    version: Annotated[
        int | None, typer.Option(min=1, help="This one alone.", show_default=False)
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Erase a secret, or a version: workers whose logs name it cannot be replayed any more."""
    output = Output(format_)
    component, name = _parse(which)

    async def work(client: Client) -> None:
        erased = await client.secrets.delete(component, name, version=version)
        output.done(f"erased versions {', '.join(map(str, erased))}", {"erased": erased})

    run(output, work, component=component)


@app.command("keygen", epilog="Example: `shem secret keygen /etc/shem/secrets.key`")
def keygen(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Make a key for executors, which the file is named to by SHEM_SECRETS_KEY_FILE.

    In a file with keys the new one becomes the first, which encrypts from then on; the others go
    on to decrypt. Start executors anew, then `shem secret reencrypt`, then remove old lines.
    """
    output = Output(format_)
    try:
        old = file.read_text() if file.exists() else ""
        key = new_key()
        # With a line that is no key no executor would start. Line numbers are those of the file.
        KeyRing.parse(f"{old}\n{key}", where=str(file))
        first = KeyRing.parse(key, where=str(file)).first
        _write(file, f"{key}\n{old}")
    except (OSError, UnicodeDecodeError, KeysError) as error:
        output.fail(RefusedError(f"cannot write {file}: {error}", kind="cannot-write"))
        raise typer.Exit(FAILED) from error
    output.done(
        f"{file}: encrypts by the new key {first}; name it to every executor by "
        f"{KEY_FILE_VARIABLE}, and keep a copy elsewhere",
        {"file": str(file), "key": first},
    )


def _write(file: Path, text: str) -> None:
    """Replace a key file as a whole, for who could read it before."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text)
            if file.exists():
                now = file.stat()
                os.fchmod(descriptor, now.st_mode & 0o777)
                if (now.st_uid, now.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, now.st_uid, now.st_gid)
            opened.flush()
            os.fsync(descriptor)
        unfinished.replace(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@app.command("reencrypt", epilog="Example: `shem secret reencrypt`")
def reencrypt(*, format_: FormatOption = Format.TEXT) -> None:
    """Encrypt all secrets with the executors' first key."""
    output = Output(format_)

    async def work(client: Client) -> None:
        done = await client.secrets.reencrypt()
        output.done(
            f"{done.count} versions were encrypted anew; all are encrypted by the key {done.key}",
            {"reencrypted": done.count, "key": done.key},
        )

    run(output, work)


def _parse(text: str) -> tuple[str, str]:
    component, slash, name = text.rpartition("/")
    if not (component and slash and name):
        raise typer.BadParameter(f"{text!r}: expected COMPONENT/NAME")
    return component, name


def _read(output: Output, file: Path | None) -> str:
    """Read a value as it is: in a text a line break of another system would become one of ours."""
    try:
        text = _bytes(file).decode()
    except (OSError, UnicodeDecodeError) as error:
        output.fail(RefusedError(f"cannot read the secret: {error}", kind="cannot-read"))
        raise typer.Exit(FAILED) from error
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        # What came before us in a pipe has failed, most likely.
        output.fail(RefusedError("there is nothing to set: the value is empty", kind="cannot-read"))
        raise typer.Exit(FAILED)
    return value


def _bytes(file: Path | None) -> bytes:
    if file is not None:
        return file.read_bytes()
    return getpass("value: ").encode() if sys.stdin.isatty() else sys.stdin.buffer.read()
