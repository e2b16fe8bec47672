"""Commands of operators, as they come in the mailbox; what they do stands in `actors.life`."""

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from broker.ports import Message
from oplog.entries import Failure
from oplog.update_entries import UpdateMode

__all__ = [
    "OF_THE_LOG",
    "BadCommand",
    "Cancel",
    "Command",
    "CompletePromise",
    "CreateWorker",
    "Delete",
    "ForkWorker",
    "Interrupt",
    "ListFiles",
    "Question",
    "ReadFile",
    "Resume",
    "RevertWorker",
    "SetRetryPolicy",
    "UpdateWorker",
    "understand_command",
]


class CreateWorker(Struct, frozen=True, tag="create", tag_field="command"):
    """Create the worker without invoking it."""

    env: dict[str, str] = {}
    args: tuple[str, ...] = ()
    version: int | None = None


class Interrupt(Struct, frozen=True, tag="interrupt", tag_field="command"):
    """Stop what runs; with `recover`, drop the instance and go on from the log."""

    recover: bool = False


class Resume(Struct, frozen=True, tag="resume", tag_field="command"):
    """Go on after an interrupt."""


class Cancel(Struct, frozen=True, tag="cancel", tag_field="command"):
    """Take a queued invocation out of the queue."""

    key: str


class CompletePromise(Struct, frozen=True, tag="complete-promise", tag_field="command"):
    """Complete the promise that the entry `index` made, with bytes."""

    index: int
    data: bytes = b""
    incarnation: str = ""


class RevertWorker(Struct, frozen=True, tag="revert", tag_field="command", rename="kebab"):
    """Undo what the worker did: behind an entry, or its last invocations. One of them is given."""

    last_oplog_index: int | None = None
    invocations: int | None = None


class SetRetryPolicy(Struct, frozen=True, tag="set-retry-policy", tag_field="command"):
    """Choose when this worker's failures are tried again; empty: as its component has it."""

    policy: str


class ForkWorker(Struct, frozen=True, tag="fork", tag_field="command"):
    """Copy the worker up to entry `at` (None: all of it) as the worker of another name."""

    worker: str
    at: int | None = None


class UpdateWorker(Struct, frozen=True, tag="update", tag_field="command", rename="kebab"):
    """Run another version of the component; `dry-run`: only say whether that would go well."""

    version: int
    mode: UpdateMode = "automatic"
    dry_run: bool = False


class Delete(Struct, frozen=True, tag="delete", tag_field="command"):
    """End the worker and forget its state."""


class ListFiles(Struct, frozen=True, tag="list-files", tag_field="command"):
    """Show what lies in a directory of the worker, from behind the name `after`."""

    path: str = "/"
    after: str = ""


class ReadFile(Struct, frozen=True, tag="read-file", tag_field="command"):
    """Show a piece of a file of the worker."""

    path: str
    offset: Annotated[int, Meta(ge=0)] = 0
    length: Annotated[int, Meta(ge=0)] = 1 << 62


class BadCommand(Struct, frozen=True):
    """A message that is no command."""

    failure: Failure


# What is answered by the guest's files, between two invocations.
Question: TypeAlias = ListFiles | ReadFile
_Known: TypeAlias = (
    CreateWorker
    | Interrupt
    | Resume
    | Cancel
    | CompletePromise
    | RevertWorker
    | SetRetryPolicy
    | ForkWorker
    | UpdateWorker
    | Delete
    | Question
)
Command: TypeAlias = _Known | BadCommand
# What needs the log as it is, and nothing that runs: obeyed at the beginning of a life alone.
OF_THE_LOG: Final = (CreateWorker, RevertWorker, ForkWorker, UpdateWorker)


_decode = msgspec.json.Decoder(_Known).decode


def understand_command(message: Message) -> Command:
    """Return the command in a mailbox message, or what is wrong with it."""
    try:
        command: Command = _decode(message.data)
    except msgspec.DecodeError as error:
        text = f"no command: {error}; expected an object with 'command', see docs/MESSAGES.md"
        return BadCommand(Failure(kind="bad-message", message=text))
    except UnicodeDecodeError as error:
        text = f"no command: not UTF-8 (byte {error.start})"
        return BadCommand(Failure(kind="bad-message", message=text))
    except RecursionError:
        return BadCommand(Failure(kind="bad-message", message="no command: it nests too deep"))
    return command
