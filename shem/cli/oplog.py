"""`shem oplog`: verify the journals of workers, and cut off what is damaged."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from broker import subjects
from shem import losses
from shem.cli.arguments import WorkerId, parse_worker_id
from shem.cli.output import FAILED, Format, FormatOption, Output
from shem.cli.session import run
from shem.client import Client
from shem.verification import Copies, Verified, VerifiedLog, copies_of, cut, verify

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Verify and repair the journals of workers.")

_DAMAGE_SHOWN_MAX = 5


@app.callback()
def root() -> None:
    """Options before the command."""


@app.command(
    "verify",
    epilog="Examples: `shem oplog verify` · `shem oplog verify counter` · "
    "`shem oplog verify counter/alice --payloads`",
)
def verify_(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[COMPONENT[/WORKER]]", help="By default all logs.", show_default=False
        ),
    ] = None,
    *,
    with_payloads: Annotated[
        bool, typer.Option("--payloads", help="Read large values in the object store, too.")
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Check every hash, chain and index; exit status 1 if anything is damaged.

    What is damaged is read from all replicas, to see whether an intact copy is left.
    """
    output = Output(format_)
    component, worker = _which(which)

    async def work(client: Client) -> None:
        with output.messages.status("reading") as status:
            found = await verify(
                client.broker,
                component=component,
                worker=worker,
                with_payloads=with_payloads,
                progress=lambda count: (
                    status.update(f"{count} commits") if count % 500 == 0 else None
                ),
            )
            copies = await _copies(client, found)
        document = {"verified": found, "copies": copies}
        output.document(document, lambda console: _show(console, found, copies))
        if not found.is_well:
            raise typer.Exit(FAILED)

    run(output, work, component=component, worker=worker)


@app.command("accept-loss", epilog="Example: `shem oplog accept-loss --yes`")
def accept_loss(
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without it, tell what is lost.")
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Go on without what the broker has lost: partitions that are held back are served again.

    The last resort, when there is no backup. Their workers go on from what is left of their logs;
    invocations of which neither message nor outcome is left have never happened.
    """
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await losses.find(client.broker)
        if not found.partitions:
            output.done("nothing that was acknowledged is missing", {"losses": found, "done": yes})
            return
        if yes:
            found = await losses.accept(client.broker, found, list(found.partitions))
        document = {"losses": found, "done": yes}
        output.document(document, lambda console: _show_losses(console, found, accepted=yes))

    run(output, work)


def _show_losses(console: Console, found: losses.Losses, *, accepted: bool) -> None:
    for number, loss in sorted(found.partitions.items()):
        console.print(f"partition {number}: {escape(loss.message)}")
    for each in found.logs:
        console.print(
            f"  {escape(f'{each.component}/{each.worker}')} ends with entry {each.last_index}, "
            f"once had entry {each.known_index}"
        )
    console.print("accepted: workers go on without it" if accepted else "nothing was changed")


@app.command("cut", epilog="Example: `shem oplog cut counter/alice --yes`")
def cut_(
    worker: Annotated[
        WorkerId,
        typer.Argument(parser=parse_worker_id, metavar="COMPONENT/WORKER", show_default=False),
    ],
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; without it, tell what it would.")
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Remove everything from the first damage of a log on: the worker goes back to before it.

    The last resort, when no replica has an intact copy and there is no backup. Invocations that
    are cut off run again if their messages are still in the mailbox, their effects included.
    """
    output = Output(format_)

    async def work(client: Client) -> None:
        done = await cut(client.broker, worker.component, worker.worker, dry_run=not yes)
        what = "removed" if yes else "would remove"
        text = (
            f"{what} {done.commits} commits; the log of {worker} ends with entry {done.last_index}"
        )
        output.done(text, {"cut": done, "done": yes})

    run(output, work, component=worker.component, worker=worker.worker)


def _which(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    if "/" not in text:
        return text, None
    found = parse_worker_id(text)
    return found.component, found.worker


async def _copies(client: Client, found: Verified) -> list[Copies]:
    """Look for intact copies of the first damaged commit of each log."""
    looked: list[Copies] = []
    for log in found.damaged:
        sequence = next((each.sequence for each in log.report.damage if each.kind == "body"), None)
        if sequence is not None:
            subject = subjects.log(log.component, log.worker, client.broker.partitions)
            looked.append(await copies_of(client.broker, subject, sequence))
    return looked


def _show(console: Console, found: Verified, copies: list[Copies]) -> None:
    for log in found.damaged:
        _show_log(console, log)
    for each in copies:
        if each.intact:
            console.print(
                f"message {each.sequence}: {each.intact} reads were intact, {each.damaged} "
                "were not: rebuild the replica that is damaged (see docs/operations.md)"
            )
    for subject in found.replicas[:_DAMAGE_SHOWN_MAX]:
        console.print(
            f"[bold red]{escape(subject)}[/]: a replica cannot read all of it, others can: "
            "rebuild the one that is damaged (see docs/operations.md)"
        )
    if len(found.replicas) > _DAMAGE_SHOWN_MAX:
        console.print(f"and {len(found.replicas) - _DAMAGE_SHOWN_MAX} more")
    for number, loss in sorted(found.losses.items()):
        console.print(f"[bold red]partition {number}[/]: {escape(loss.message)}")
    for mailbox in found.mailboxes:
        console.print(
            f"[bold red]{escape(mailbox.subject)}[/]: of {mailbox.stored} messages "
            f"{mailbox.readable} can be read"
        )
    what = ", large values too" if found.payloads_checked else ""
    verdict = f"[bold red]{len(found.damaged)} damaged[/]"
    if not found.damaged:
        verdict = "nothing is damaged" if found.is_well else "[bold red]see above[/]"
    console.print(
        f"{found.logs} logs, {found.commits} commits, {found.entries} entries{what}: {verdict}"
    )


def _show_log(console: Console, log: VerifiedLog) -> None:
    report = log.report
    name = escape(f"{log.component}/{log.worker}")
    console.print(f"[bold red]{name}[/]: intact up to entry {report.intact_to}")
    for damage in report.damage[:_DAMAGE_SHOWN_MAX]:
        console.print(f"  {damage.kind}: {escape(damage.message)}")
    if report.damage_count > _DAMAGE_SHOWN_MAX:
        console.print(f"  and {report.damage_count - _DAMAGE_SHOWN_MAX} more")
