"""Arguments that several commands share, and how their text is understood."""

import uuid
from datetime import datetime
from typing import Annotated

import typer
from msgspec import Struct

from shem.cli.completion import component_names, worker_ids

__all__ = [
    "ComponentName",
    "MomentOption",
    "VersionOption",
    "WorkerId",
    "WorkerIdArgument",
    "parse_moment",
    "parse_pairs",
    "parse_worker_id",
    "unix_ms",
]


class WorkerId(Struct, frozen=True):
    """The name of a component and the name of one of its workers."""

    component: str
    worker: str

    def __str__(self) -> str:
        return f"{self.component}/{self.worker}"


def parse_worker_id(text: str) -> WorkerId:
    """Understand `COMPONENT/WORKER`; the worker's name may contain slashes.

    `-` stands for a new name, for components whose workers live for one invocation.

    Raises:
        typer.BadParameter: a part is missing.
    """
    component, slash, worker = text.partition("/")
    if not slash or not component or not worker:
        raise typer.BadParameter(f"{text!r}: expected COMPONENT/WORKER, like counter/alice")
    return WorkerId(component, str(uuid.uuid4()) if worker == "-" else worker)


WorkerIdArgument = Annotated[
    WorkerId,
    typer.Argument(
        parser=parse_worker_id,
        metavar="COMPONENT/WORKER",
        help="The worker, like counter/alice; counter/- makes up a name.",
        autocompletion=worker_ids,
        show_default=False,
    ),
]
ComponentName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The component's name.",
        show_default=False,
        autocompletion=component_names,
    ),
]
VersionOption = Annotated[
    int | None,
    typer.Option("--version", min=0, help="A version; by default the newest.", show_default=False),
]


def parse_pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    """Understand repeated `K=V`.

    Raises:
        typer.BadParameter: one has no `=` or no name.
    """
    pairs: dict[str, str] = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{option} {text!r}: expected NAME=VALUE")
        pairs[name] = value
    return pairs


def parse_moment(text: str) -> datetime:
    """Understand an RFC 3339 time, like 2030-01-31T12:00:00Z.

    Raises:
        typer.BadParameter: it is none, or has no time zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: expected a time like 2030-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r}: the time zone is missing; append Z for UTC")
    return moment


def unix_ms(moment: datetime | None) -> int | None:
    """Return Unix milliseconds."""
    return None if moment is None else round(moment.timestamp() * 1_000)


MomentOption = Annotated[
    datetime | None,
    typer.Option(
        parser=parse_moment,
        metavar="RFC3339",
        help="A time like 2030-01-31T12:00:00Z.",
        show_default=False,
    ),
]
