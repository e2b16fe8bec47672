"""Commands of operators, as they come in the mailbox; what they do stands in `actors.life`."""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from broker.ports import Message
from oplog.entries import Failure

__all__ = [
    "BadCommand",
    "Cancel",
    "Command",
    "CompletePromise",
    "CreateWorker",
    "Delete",
    "Interrupt",
    "Resume",
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


class Delete(Struct, frozen=True, tag="delete", tag_field="command"):
    """End the worker and forget its state."""


class BadCommand(Struct, frozen=True):
    """A message that is no command."""

    failure: Failure


Command: TypeAlias = (
    CreateWorker | Interrupt | Resume | Cancel | CompletePromise | Delete | BadCommand
)

_decode = msgspec.json.Decoder(
    CreateWorker | Interrupt | Resume | Cancel | CompletePromise | Delete
).decode


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
