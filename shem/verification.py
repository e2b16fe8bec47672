"""Verifying the logs of a whole deployment, and cutting off what is damaged.

Read in one pass over the stream, in its order. Workers go on meanwhile: what they append behind
the point where the reading began is looked at or not, and is no damage either way.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from msgspec import Struct

from actors.identity import worker_id_of_log
from actors.statuses import Statuses
from actors.worker_index.rebuild import correct
from broker import subjects
from broker.ports import Broker, Message
from oplog import headers as commit_headers
from oplog.archive import archived_before
from oplog.codec import previous_of
from oplog.errors import CorruptLogError
from oplog.high_water import Loss, forgive
from oplog.verify import Damage, LogReport, LogVerifier, damaged_values
from shem.errors import RefusedError
from shem.losses import (
    Unreadable,
    lost_partitions,
    short_logs,
    unreadable,
    unreadable_mail,
)

__all__ = ["Copies", "Cut", "Verified", "VerifiedLog", "copies_of", "cut", "verify"]

# How often a message is asked for, so that with several replicas each has probably answered.
_ASKS: Final = 24
# What a log looks like of which the replica that answers cannot read everything.
_PASSED_OVER: Final = frozenset({"hole", "chain", "order", "unreadable"})


class VerifiedLog(Struct, frozen=True, kw_only=True):
    """The log of one worker and what is wrong with it."""

    component: str
    worker: str
    report: LogReport


class Verified(Struct, frozen=True, kw_only=True):
    """All logs that were looked at; `damaged` those with damage, or with less than there was.

    `losses` are the partitions whose stream is shorter than it was, `mailboxes` those with messages
    that cannot be read; both are looked for only where all logs are. `replicas` are the subjects of
    which one replica could not read everything, and others could.
    """

    logs: int
    commits: int
    entries: int
    payloads_checked: bool
    damaged: tuple[VerifiedLog, ...]
    losses: Mapping[int, Loss]
    mailboxes: tuple[Unreadable, ...]
    replicas: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.damaged or self.losses or self.mailboxes or self.replicas)


class Copies(Struct, frozen=True, kw_only=True):
    """How often a stored message was read whole and how often damaged, from whatever replica."""

    sequence: int
    intact: int
    damaged: int
    leader_is_intact: bool


class Cut(Struct, frozen=True, kw_only=True):
    """What cutting a log removes, or has removed: everything behind entry `last_index`."""

    last_index: int
    commits: int


async def verify(
    broker: Broker,
    *,
    component: str | None = None,
    worker: str | None = None,
    with_payloads: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Verified:
    """Look at every log, those of one component or that of one worker.

    Raises:
        UnavailableError: the broker does not answer.
    """
    logs: dict[str, LogVerifier] = {}
    read: Counter[str] = Counter()
    async for message in _messages(broker, component, worker):
        log = logs.get(message.subject)
        if log is None:
            log = logs[message.subject] = LogVerifier()
            await _take_archived(broker, log, message)
        commit = log.take(message)
        if commit is not None and with_payloads:
            for damage in await damaged_values(commit, broker.blobs):
                log.note(damage)
        read[message.subject] += 1
        progress(read.total())
    await _look_for_missing(broker, component, worker, logs, read)
    reports = {subject: log.report() for subject, log in logs.items()}
    replicas: list[str] = []
    for subject, report in reports.items():
        if report.damage_count and {each.kind for each in report.damage} <= _PASSED_OVER:
            again = (await _read_whole(broker, subject)).report()
            if not again.damage_count and again.last_index >= report.last_index:
                reports[subject] = again
                replicas.append(subject)
    is_whole = component is None
    mailboxes = await unreadable_mail(broker) if is_whole else []
    replicas += [each.subject for each in mailboxes if each.is_whole_elsewhere]
    return Verified(
        logs=len(logs),
        commits=read.total(),
        entries=sum(each.entries for each in reports.values()),
        payloads_checked=with_payloads,
        damaged=tuple(
            _named(subject, report) for subject, report in reports.items() if report.damage_count
        ),
        losses=await lost_partitions(broker) if is_whole else {},
        mailboxes=tuple(each for each in mailboxes if not each.is_whole_elsewhere),
        replicas=tuple(replicas),
    )


async def _read_whole(broker: Broker, subject: str) -> LogVerifier:
    """Look at one log again, at what whichever replica has of it."""
    log = LogVerifier()
    for message in await _whole(broker, subject):
        if not log.report().commits:
            await _take_archived(broker, log, message)
        log.take(message)
    return log


async def _whole(broker: Broker, subject: str, *, from_sequence: int = 1) -> list[Message]:
    read = broker.journal.read_whole(subject, from_sequence=from_sequence)
    return sorted([each async for each in read], key=lambda each: each.sequence)


async def _take_archived(broker: Broker, log: LogVerifier, message: Message) -> None:
    """Look at what was archived of a log first, which begins in the stream with `message`."""
    try:
        first = commit_headers.peek(message.headers, sequence=message.sequence).first
        if first <= 1:
            return
        link = previous_of(message.data, message.headers, sequence=message.sequence)
        subject = message.subject
        archived = await archived_before(broker.blobs, subject, first=first, previous=link)
    except CorruptLogError as error:
        log.note(Damage(kind="archive", message=str(error), index=error.index))
        return
    for each in archived:
        log.take(each)


async def _look_for_missing(
    broker: Broker,
    component: str | None,
    worker: str | None,
    logs: dict[str, LogVerifier],
    read: Counter[str],
) -> None:
    """Note what was there once and is not any more, of which what was read says nothing."""
    newest: dict[int, int] = {}
    for subject, log in logs.items():
        stream = broker.sharding.stream_of_subject(subject)
        newest[stream] = max(newest.get(stream, 0), log.report().last_sequence)
    for each in await unreadable(broker, _pattern(broker, component, worker), read, newest):
        readable = read[each.subject] if each.is_whole_elsewhere else each.readable
        text = f"of {each.stored} commits {readable} can be read"
        log = logs.setdefault(each.subject, LogVerifier())
        log.note(Damage(kind="unreadable", message=text))
    ends = {subject: log.report().last_sequence for subject, log in logs.items()}
    async for short in short_logs(broker, component, worker, ends=ends):
        subject = subjects.log(short.component, short.worker, broker.partitions)
        text = (
            f"the log ends with entry {short.last_index}, and once had entry {short.known_index}, "
            f"committed at stream sequence {short.known_sequence}"
        )
        log = logs.setdefault(subject, LogVerifier())
        log.note(Damage(kind="shortened", message=text, index=short.last_index + 1))


async def copies_of(broker: Broker, subject: str, sequence: int) -> Copies:
    """Read one commit many times, from the replicas and from their leader, and compare."""
    intact = damaged = 0
    for _ in range(_ASKS):
        message = await broker.journal.get(subject, sequence)
        if message is not None and _is_whole(message):
            intact += 1
        else:
            damaged += 1
    newest = await broker.journal.last(subject, leader=True)
    leads = newest is not None and (newest.sequence != sequence or _is_whole(newest))
    return Copies(sequence=sequence, intact=intact, damaged=damaged, leader_is_intact=leads)


async def cut(broker: Broker, component: str, worker: str, *, dry_run: bool) -> Cut:
    """Remove everything behind the last entry before the damage, newest commits first.

    A crash in between leaves a shorter log that is still damaged: cut it again. An owner that runs
    the worker meanwhile is fenced by what is gone, since the last sequence is another one.

    Raises:
        RefusedError: the log is not damaged, or nothing of it is intact.
        UnavailableError: the broker does not answer.
    """
    subject = subjects.log(component, worker, broker.partitions)
    log = LogVerifier()
    for message in await _whole(broker, subject):
        log.take(message)
    report = log.report()
    if not report.commits:
        text = f"there is no log of {component}/{worker}: there is no such worker, or it is lost"
        raise RefusedError(text, kind="unknown-worker")
    if not report.damage_count:
        raise RefusedError(
            f"what is there of the log of {component}/{worker} is not damaged; what the broker "
            "has lost behind it, `shem oplog accept-loss` shows",
            kind="not-damaged",
        )
    if not report.intact_to:
        raise RefusedError(
            f"nothing of the log of {component}/{worker} is intact from its beginning on: restore "
            "a backup. Where a snapshot stands behind the damage the worker goes on without; where "
            "none does, delete the worker",
            kind="log-damaged",
        )
    rest = await _whole(broker, subject, from_sequence=report.intact_sequence + 1)
    behind = [message.sequence for message in rest]
    if behind and not dry_run:
        for sequence in reversed(behind):
            await broker.journal.remove(subject, sequence)
        # What is known beside the log of what was cut off must not pass for a loss.
        number = subjects.partition_of(component, worker, broker.partitions)
        await correct(broker, Statuses(broker), component, [worker])
        await forgive(broker.workers, number, behind[-1])
    return Cut(last_index=report.intact_to, commits=len(behind))


async def _messages(
    broker: Broker, component: str | None, worker: str | None
) -> AsyncIterator[Message]:
    async for message in broker.journal.read(_pattern(broker, component, worker)):
        yield message


def _pattern(broker: Broker, component: str | None, worker: str | None) -> str:
    if component is not None and worker is not None:
        return subjects.log(component, worker, broker.partitions)
    return subjects.LOGS if component is None else subjects.logs_of_component(component)


def _is_whole(message: Message) -> bool:
    log = LogVerifier()
    return log.take(message) is not None


def _named(subject: str, report: LogReport) -> VerifiedLog:
    worker_id = worker_id_of_log(subject)
    return VerifiedLog(component=worker_id.component, worker=worker_id.worker, report=report)
