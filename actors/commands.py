"""Obeying operators: commands are taken out of the mailbox ahead of invocations.

What a command changes is recorded, and it is answered after the commit. A command that needs no
entry only moves the watermark; after a crash before the next commit it is obeyed again, which
changes nothing.
"""

from collections.abc import Callable
from typing import final

import structlog
from msgspec import UNSET, Raw
from msgspec.json import encode as encode_json

from actors.command import (
    OF_THE_LOG,
    BadCommand,
    Cancel,
    Command,
    CompletePromise,
    CreateWorker,
    Delete,
    ForkWorker,
    Interrupt,
    ListFiles,
    Question,
    ReadFile,
    Resume,
    RevertWorker,
    SetRetryPolicy,
    UpdateWorker,
    understand_command,
)
from actors.host.files.errors import FileError
from actors.host.files.filesystem import FileSystem
from actors.host.files.look import list_files, read_file
from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.message import caller_of, is_inbox, understand
from actors.outcome import encode_answer
from actors.past import Past
from actors.retry import RetryTextError, parse_retry
from broker.ports import Message, Signals
from oplog.entries import Failure

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

    def __init__(
        self,
        ledger: Ledger,
        mailbox: Mailbox,
        signals: Signals,
        *,
        past: Past,
        on_completed: Callable[[int], None],
    ) -> None:
        self._ledger = ledger
        self._mailbox = mailbox
        self._signals = signals
        self._past = past
        self._state = past.status.state
        self._on_completed = on_completed
        self.order: tuple[Message, CreateWorker | ForkWorker | UpdateWorker] | None = None
        """What takes more than entries; see `actors.orders`. `answer` once that is done."""
        self.questions: list[tuple[Message, Question]] = []
        """What is asked of the guest's files."""
        self.burial: Message | None = None
        """The worker is to be deleted; `answer` once that is done."""

    @property
    def stops_guest(self) -> bool:
        """Whether a queued command must not wait until the running invocation ends."""
        ephemeral = self._ledger.is_ephemeral
        waiting = self._mailbox.commands()
        return any(
            _stops(understand_command(message), ephemeral=ephemeral)
            and not self._has_been_obeyed(message)
            for message in waiting
        )

    def obey(self, *, at_start: bool = False) -> bool:
        """Obey all queued commands. True: the life must end, its guest with it.

        What needs the log as it is stays queued, unless the life has just begun from it.
        """
        while (message := self._mailbox.first_command()) is not None:
            if self._has_been_obeyed(message):
                self._mailbox.next_command()
                self._ledger.writer.mark(control=message.sequence)
                continue
            command = understand_command(message)
            if isinstance(command, Cancel) and self._comes_to_be():
                return False
            waits = isinstance(command, OF_THE_LOG) and not self._is_refused(command)
            if waits and not at_start:
                return True
            self._mailbox.next_command()
            if self._obey(message):
                return True
        return False

    def answer(self, message: Message, *, ok: object = None, error: Failure | None = None) -> None:
        """Tell the operator, or the worker that gave the order, if an answer is wanted."""
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
                self.order = message, command
                return True
            case _ if not exists:
                text = f"there is no worker {self._ledger.id}"
                self._done(message, error=Failure(kind="unknown-worker", message=text))
            case Interrupt(recover=True) if self._ledger.is_ephemeral:
                text = f"cannot recover {self._ledger.id}: it lives for one invocation only"
                self._done(message, error=Failure(kind="cannot-recover", message=text))
            case RevertWorker() if self._ledger.is_ephemeral:
                text = f"cannot revert {self._ledger.id}: it lives for one invocation only"
                self._done(message, error=Failure(kind="cannot-recover", message=text))
            case ForkWorker() if self._ledger.is_ephemeral:
                text = f"cannot fork {self._ledger.id}: it lives for one invocation only"
                self._done(message, error=Failure(kind="cannot-fork", message=text))
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
            case CompletePromise():
                self._complete_promise(message, command)
            case RevertWorker():
                return self._revert(message, command)
            case SetRetryPolicy(policy=text):
                self._set_retry(message, text)
            case ForkWorker() | UpdateWorker():
                self.order = message, command
                return True
            case ListFiles() | ReadFile():
                self._ledger.writer.mark(control=message.sequence)
                self.questions.append((message, command))
            case Delete():
                self.burial = message
                return True
        return False

    def _comes_to_be(self) -> bool:
        """Whether the worker is about to be created by what waits, before the next command."""
        is_last = sum(1 for _ in self._mailbox.commands()) == 1
        return self._ledger.created is None and is_last and bool(self._mailbox.waiting())

    def _has_been_obeyed(self, message: Message) -> bool:
        """Whether a worker's order comes again: its answer is or was in the mailbox of that one."""
        caller = caller_of(message)
        return caller is not None and self._ledger.keys.has_obeyed(caller)

    def _is_refused(self, command: Command) -> bool:
        """Whether a command makes no sense here, whatever the log says."""
        return self._ledger.is_ephemeral and isinstance(command, RevertWorker | ForkWorker)

    def _set_retry(self, message: Message, text: str) -> None:
        try:
            policy = parse_retry(text) if text else None
        except RetryTextError as error:
            self._done(message, error=Failure(kind="bad-request", message=str(error)))
            return
        index = self._ledger.order_retry(text, policy, control=message.sequence)
        self._recorded(message, index, ok={"retry": text})

    def _revert(self, message: Message, command: RevertWorker) -> bool:
        last = self._past.last_index
        kept, problem = command.last_oplog_index, None
        if (kept is None) == (command.invocations is None):
            problem = "expected either 'last-oplog-index' or 'invocations'"
        elif command.invocations is not None:
            kept, problem = self._before_invocations(command.invocations)
        if problem is None and kept is not None:
            problem = self._past.plan.problem_with(kept, last)
        if problem is not None or kept is None:
            failure = Failure(kind="bad-index", message=f"cannot revert: {problem}")
            self._done(message, error=failure)
            return False
        if kept == last:
            self._done(message, ok={"reverted": 0})
            return False
        self._answer_duplicates()
        # Commands obeyed just before this one have added entries to what was loaded.
        end = self._ledger.writer.last_index
        index = self._ledger.revert(kept + 1, end, control=message.sequence)
        self._recorded(message, index, ok={"reverted": last - kept})
        return True

    def _answer_duplicates(self) -> None:
        """Take what asks again for something that is done, before that is undone.

        It may have been answered already, without a commit that says so, and is no new invocation.
        """
        while waiting := self._mailbox.waiting():
            envelope = understand(waiting[0]).envelope
            if envelope.key not in self._ledger.keys:
                return
            self._mailbox.next_invocation()
            self._ledger.repeats.answer(envelope)

    def _before_invocations(self, count: int) -> tuple[int | None, str | None]:
        begun = self._past.begun_indices
        if not 1 <= count <= len(begun):
            return None, f"the worker has {len(begun)} invocations, not {count}"
        return begun[-count] - 1, None

    def _complete_promise(self, message: Message, command: CompletePromise) -> None:
        ledger = self._ledger
        done: bool | None = None
        if command.incarnation in {"", ledger.outbox.incarnation}:
            result = Raw(encode_json(command.data))
            done = ledger.complete_promise(command.index, result, control=message.sequence)
        if done is None:
            text = f"worker {ledger.id} has made no promise at entry {command.index}"
            self._done(message, error=Failure(kind="unknown-promise", message=text))
        elif done:
            self._recorded(message, ledger.writer.last_index, ok={"completed": True})
            self._on_completed(command.index)
        else:
            self._done(message, ok={"completed": False})

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
        # While it runs, what waits under its key only asks for the outcome.
        queued = () if self._ledger.runs(key) else self._mailbox.waiting()
        for waiting in queued:
            envelope = understand(waiting).envelope
            if envelope.key == key and key not in self._ledger.keys:
                failure = Failure(kind="cancelled", message="cancelled before it began")
                self._ledger.reject(envelope, failure, consumed=False)
                self._ledger.writer.mark(control=message.sequence)
                self._recorded(message, self._ledger.writer.last_index, ok={"cancelled": True})
                return
        self._done(message, ok={"cancelled": False})

    def done(
        self,
        message: Message,
        *,
        ok: object = None,
        error: Failure | None = None,
        told: bool = True,
    ) -> None:
        """An order is carried out, or not; `told` False: the caller answers the operator."""
        self._ledger.writer.mark(control=message.sequence)
        self._note(message, ok=ok, error=error)
        if told:
            self.answer(message, ok=ok, error=error)

    def _recorded(self, message: Message, index: int, *, ok: object = None) -> None:
        index = self._note(message, ok=ok) or index
        self._ledger.writer.when_committed(index, lambda: self.answer(message, ok=ok))

    def _done(self, message: Message, *, ok: object = None, error: Failure | None = None) -> None:
        self._ledger.writer.mark(control=message.sequence)
        self._note(message, ok=ok, error=error)
        self.answer(message, ok=ok, error=error)

    def _note(
        self, message: Message, *, ok: object = None, error: Failure | None = None
    ) -> int | None:
        """Answer the worker that gave the order, if one did: by an entry, so that it is not lost.

        Where there is no worker to have a log, it is answered without.
        """
        caller = caller_of(message)
        if caller is None:
            return None
        ledger = self._ledger
        if ledger.created is None:
            ledger.outbox.reply(caller, None, None, UNSET, error)
            return None
        result = UNSET if ok is None else Raw(encode_json(ok))
        name = type(understand_command(message)).__name__
        return ledger.command_done(name, caller, result, error)


def _stops(command: Command, *, ephemeral: bool) -> bool:
    # An update by snapshot waits until what runs has ended.
    match command:
        case Interrupt(recover=True) | UpdateWorker() | RevertWorker() | ForkWorker() if ephemeral:
            # It is refused, and what runs could not be brought back.
            return False
        case Interrupt() | Delete() | RevertWorker() | ForkWorker():
            return True
        case UpdateWorker(mode="automatic", dry_run=False):
            return True
        case _:
            return False
