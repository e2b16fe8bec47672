"""Obeying operators: commands are taken out of the mailbox ahead of invocations.

What a command changes is recorded, and it is answered after the commit. A command that needs no
entry only moves the watermark; after a crash before the next commit it is obeyed again, which
changes nothing.
"""

from typing import final

import structlog

from actors.command import (
    BadCommand,
    Cancel,
    CreateWorker,
    Delete,
    Interrupt,
    ListFiles,
    Question,
    ReadFile,
    Resume,
    understand_command,
)
from actors.host.files.errors import FileError
from actors.host.files.filesystem import FileSystem
from actors.host.files.look import list_files, read_file
from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.message import is_inbox, understand
from actors.outcome import encode_answer
from broker.ports import Message, Signals
from oplog.entries import Failure
from oplog.status import State

__all__ = ["Commands"]

log = structlog.get_logger(__name__)


def _look(filesystem: FileSystem, question: Question) -> object:
    match question:
        case ListFiles(path=path, after=after):
            return list_files(filesystem, path, after=after)
        case ReadFile(path=path, offset=offset, length=length):
            return read_file(filesystem, path, offset=offset, length=length)


@final
class Commands:
    """The commands of one worker in memory."""

    def __init__(self, ledger: Ledger, mailbox: Mailbox, signals: Signals, *, state: State) -> None:
        self._ledger = ledger
        self._mailbox = mailbox
        self._signals = signals
        self._state = state
        self.creation: tuple[Message, CreateWorker] | None = None
        """A worker to be created: needs its component first."""
        self.questions: list[tuple[Message, Question]] = []
        """What is asked of the guest's files."""
        self.burial: Message | None = None
        """The worker is to be deleted; `answer` once that is done."""

    @property
    def stops_guest(self) -> bool:
        """Whether a queued command must not wait until the running invocation ends."""
        return any(
            isinstance(understand_command(message), Interrupt | Delete)
            for message in self._mailbox.commands()
        )

    def obey(self) -> bool:
        """Obey all queued commands. True: the life must end, its guest with it."""
        while (message := self._mailbox.next_command()) is not None:
            if self._obey(message):
                return True
        return False

    def answer(self, message: Message, *, ok: object = None, error: Failure | None = None) -> None:
        """Tell the operator, if an answer is wanted."""
        inbox = message.headers.get("Shem-Result-To")
        if inbox is not None and is_inbox(inbox):
            self._signals.publish(inbox, encode_answer(ok=ok, error=error))

    def _obey(self, message: Message) -> bool:
        command = understand_command(message)
        log.info("command", command=type(command).__name__, sequence=message.sequence)
        exists = self._ledger.created is not None
        match command:
            case BadCommand(failure=failure):
                self._done(message, error=failure)
            case CreateWorker() if exists:
                text = f"worker {self._ledger.id} exists"
                self._done(message, error=Failure(kind="worker-exists", message=text))
            case CreateWorker():
                self.creation = message, command
                return True
            case _ if not exists:
                text = f"there is no worker {self._ledger.id}"
                self._done(message, error=Failure(kind="unknown-worker", message=text))
            case Interrupt(recover=True):
                self._recorded(message, self._ledger.restart(control=message.sequence))
                return True
            case Interrupt() if self._state == "interrupted":
                self._done(message)
            case Interrupt():
                self._recorded(message, self._ledger.interrupt(control=message.sequence))
                return True
            case Resume() if self._state == "interrupted":
                self._recorded(message, self._ledger.restart(control=message.sequence))
                return True
            case Resume():
                self._done(message)
            case Cancel(key=key):
                self._cancel(message, key)
            case ListFiles() | ReadFile():
                self._ledger.writer.mark(control=message.sequence)
                self.questions.append((message, command))
            case Delete():
                self.burial = message
                return True
        return False

    def answer_questions(self, filesystem: FileSystem) -> None:
        """Answer what was asked of the files; they are what the last invocation left."""
        while self.questions:
            message, question = self.questions.pop(0)
            try:
                self.answer(message, ok=_look(filesystem, question))
            except FileError as error:
                text = f"{question.path}: {error.code}"
                self.answer(message, error=Failure(kind="bad-path", message=text))

    def refuse_questions(self) -> None:
        """Say that there is no guest between two invocations that could be asked."""
        while self.questions:
            text = (
                f"worker {self._ledger.id} is stopped or in the middle of an invocation: its files "
                "can be looked at while it is idle"
            )
            self.answer(self.questions.pop(0)[0], error=Failure(kind="worker-busy", message=text))

    def _cancel(self, message: Message, key: str) -> None:
        for waiting in self._mailbox.waiting():
            envelope = understand(waiting).envelope
            if envelope.key == key and key not in self._ledger.keys:
                failure = Failure(kind="cancelled", message="cancelled before it began")
                self._ledger.reject(envelope, failure, consumed=False)
                self._ledger.writer.mark(control=message.sequence)
                self._recorded(message, self._ledger.writer.last_index, ok={"cancelled": True})
                return
        self._done(message, ok={"cancelled": False})

    def _recorded(self, message: Message, index: int, *, ok: object = None) -> None:
        self._ledger.writer.when_committed(index, lambda: self.answer(message, ok=ok))

    def _done(self, message: Message, *, ok: object = None, error: Failure | None = None) -> None:
        self._ledger.writer.mark(control=message.sequence)
        self.answer(message, ok=ok, error=error)
