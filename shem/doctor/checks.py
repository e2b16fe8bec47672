"""From facts to findings. Pure: what was seen goes in, what it means comes out."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from actors.limits import ABSENCE_MAX_S
from actors.membership import Member
from broker.inspection import Inspection, Mark, StreamFacts
from broker.sharding import stream_name
from broker.subjects import STREAM
from broker.versions import SERVER_VERSION_MIN, missing_features, parse_version
from oplog.high_water import losses_in, marks_in

__all__ = ["Expected", "Finding", "Level", "examine"]

PAYLOAD_BYTES_MIN: Final = 8 * 1024 * 1024
# The marks of executors expire after two seconds and deadlines of workers are wall time.
CLOCK_SKEW_MAX_S: Final = 0.5
WAITING_MAX: Final = 1_000
PEER_LAG_MAX: Final = 1_000
DISK_WARNING: Final = 0.80
DISK_ERROR: Final = 0.95
CERTIFICATE_DAYS_MIN: Final = 30
DAMAGED_SHOWN_MAX: Final = 5
# Marks expire before that, also where the broker is slow.
MARK_AGE_S_MAX: Final = ABSENCE_MAX_S + 5.0
_S_PER_DAY: Final = 86_400
_NS_PER_S: Final = 1_000_000_000
_MIB: Final = 1 << 20


class Level(StrEnum):
    """How bad it is. `UNKNOWN`: it could not be seen, which is no proof of anything."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ERROR = "error"


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One check and what came of it; `hint` says what to do."""

    check: str
    level: Level
    message: str
    hint: str = ""


class Expected(Struct, frozen=True, kw_only=True):
    """What the operator wants besides what Shem needs. None: as it is."""

    replicas: int | None = None
    executors: int | None = None


Findings = Iterator[Finding]


def examine(seen: Inspection, expected: Expected) -> list[Finding]:
    """Return a finding for each check, in the order in which one builds on the other."""
    checks: tuple[Callable[[Inspection, Expected], Findings], ...] = (
        _server,
        _sync,
        _encryption,
        _certificate,
        _streams,
        _replicas,
        _clock,
        _executors,
        _storing,
        _partitions,
        _lag,
        _damaged,
        _losses,
        _disk,
        _identity,
        _blind_spots,
    )
    return [finding for check in checks for finding in check(seen, expected)]


def _finding(check: str, level: Level, message: str, hint: str = "") -> Finding:
    return Finding(check=check, level=level, message=message, hint=hint)


def _server(seen: Inspection, _: Expected) -> Findings:
    wanted = ".".join(map(str, SERVER_VERSION_MIN))
    lacking = missing_features(parse_version(seen.version))
    if lacking:
        text = f"nats-server {seen.version or 'of unknown version'} lacks {', '.join(lacking)}"
        yield _finding("server-version", Level.ERROR, text, f"upgrade it to {wanted} or newer")
    else:
        text = f"{seen.server} is nats-server {seen.version}"
        yield _finding("server-version", Level.OK, text)
    if seen.payload_bytes_max < PAYLOAD_BYTES_MIN:
        text = f"messages of up to {seen.payload_bytes_max} bytes are taken"
        yield _finding("payload", Level.WARNING, text, "set `max_payload: 8MB` on every server")
    else:
        text = f"messages of up to {seen.payload_bytes_max // _MIB} MiB are taken"
        yield _finding("payload", Level.OK, text)


def _sync(seen: Inspection, _: Expected) -> Findings:
    match seen.syncs_always:
        case True:
            text = "every message is on the disk before it is acknowledged"
            yield _finding("sync", Level.OK, text)
        case False:
            text = "the disk is synced now and then: a power failure loses acknowledged messages"
            hint = "set `sync_interval: always` in the server's jetstream block"
            yield _finding("sync", Level.ERROR, text, hint)
        case None:
            hint = "name the server's monitoring endpoint in SHEM_NATS_MONITOR"
            yield _finding("sync", Level.UNKNOWN, "how the disk is synced is not told", hint)


def _encryption(seen: Inspection, _: Expected) -> Findings:
    if seen.encrypted:
        yield _finding("encryption", Level.OK, "the connection is encrypted")
    else:
        text = "the connection is not encrypted: whoever sees the network reads everything"
        yield _finding("encryption", Level.WARNING, text, "see docs/security.md for TLS")


def _certificate(seen: Inspection, _: Expected) -> Findings:
    if seen.certificate_left_s is None:
        return
    days = int(seen.certificate_left_s // _S_PER_DAY)
    text = f"the server's certificate is good for {days} days"
    if days >= CERTIFICATE_DAYS_MIN:
        yield _finding("certificate", Level.OK, text)
    else:
        hint = "then nobody connects: run `shem deploy nats` again, and reload the servers"
        yield _finding("certificate", Level.WARNING, text, hint)


def _streams(seen: Inspection, _: Expected) -> Findings:
    if not seen.has_jetstream:
        yield _finding("streams", Level.ERROR, "JetStream is off", "add `jetstream {}` to it")
    for name in seen.missing:
        hint = "the first executor that connects makes it; if it was there, restore a backup"
        yield _finding("streams", Level.ERROR, f"stream {name} does not exist", hint)
    if seen.mapping_problem is not None:
        yield _finding("streams", Level.ERROR, seen.mapping_problem, "see docs/operations.md")
    if seen.splitting is not None:
        text = f"the streams are being split into {seen.splitting}, nobody works until it is done"
        hint = f"go on with it: `shem streams split {seen.splitting}`"
        yield _finding("streams", Level.ERROR, text, hint)
        return
    for stream in seen.streams:
        if stream.differences:
            text = f"stream {stream.name}: {'; '.join(stream.differences)}"
            yield _finding("streams", Level.ERROR, text, f"`nats stream edit {stream.name}`")
    if seen.streams and not any(each.differences for each in seen.streams) and not seen.missing:
        messages = sum(each.messages for each in seen.streams)
        text = f"{len(seen.streams)} streams are as they should be, {messages} messages"
        yield _finding("streams", Level.OK, text)


def _replicas(seen: Inspection, expected: Expected) -> Findings:
    oplog = next((each for each in seen.streams if each.name == STREAM), None)
    if oplog is None:
        return
    wanted = expected.replicas or oplog.replicas
    found = len(seen.streams)
    for stream in seen.streams:
        if stream.replicas != wanted:
            found -= 1
            text = f"stream {stream.name} has {stream.replicas} replicas, {wanted} are wanted"
            hint = f"`nats stream edit {stream.name} --replicas {wanted}`"
            yield _finding("replicas", Level.ERROR, text, hint)
    yield from _peers(seen.streams)
    if found == len(seen.streams):
        level = Level.OK if wanted >= 3 else Level.WARNING
        hint = (
            "" if wanted >= 3 else "three servers survive the loss of one: see docs/operations.md"
        )
        yield _finding("replicas", level, f"every stream has {wanted} of them", hint)


def _peers(streams: Sequence[StreamFacts]) -> Findings:
    """Yield what is wrong with copies: a server that is down is one finding, not one a stream."""
    leaderless = [
        each.name
        for each in streams
        if each.replicas > 1 and not any(peer.is_leader for peer in each.peers)
    ]
    if leaderless:
        have = "has" if len(leaderless) == 1 else "have"
        text = f"{_named('stream', leaderless)} {have} no leader: nothing can be stored"
        yield _finding("replicas", Level.ERROR, text, "bring a majority of its servers up")
    offline: dict[str, list[str]] = {}
    silent: dict[str, list[tuple[str, int]]] = {}
    for stream in streams:
        for peer in stream.peers:
            if peer.is_offline:
                offline.setdefault(peer.name, []).append(stream.name)
            elif peer.is_silent:
                silent.setdefault(peer.name, []).append((stream.name, peer.lag))
            elif not peer.is_current and peer.lag > PEER_LAG_MAX:
                text = f"replica {peer.name} of {stream.name} is {peer.lag} operations behind"
                hint = "wait, and look again: it should catch up; if not, look at its disk"
                yield _finding("replicas", Level.WARNING, text, hint)
    for server, names in offline.items():
        text = f"replica {server} of {_named('', names)} is offline"
        yield _finding("replicas", Level.ERROR, text, "start that server")
    for server, found in silent.items():
        names = [name for name, _ in found]
        lag = max(behind for _, behind in found)
        text = (
            f"replica {server} of {_named('', names)} is not heard of by its leader, and "
            f"{lag} operations behind"
        )
        yield _finding("replicas", Level.ERROR, text, "start that server, or look again")


def _named(what: str, names: Sequence[str]) -> str:
    """Return one name, or the first and how many more there are."""
    if len(names) == 1:
        return f"{what} {names[0]}".strip()
    return f"{what and what + 's '}{names[0]} and {len(names) - 1} more"


def _clock(seen: Inspection, _: Expected) -> Findings:
    if seen.clock_ahead_s is None:
        yield _finding("clock", Level.UNKNOWN, "the server's clock cannot be seen")
    else:
        off_by, error = seen.clock_ahead_s, seen.clock_error_s
        text = f"this machine is {off_by * 1_000:+.1f} ms (±{error * 1_000:.1f}) off the server"
        yield _skew("clock", text, abs(off_by) - error)
    for mark in seen.members:
        member = _member(mark)
        if member is None or not member.at_ms:
            continue
        # It was written before it was stored: behind is what the way to the broker takes.
        ahead_s = member.at_ms / 1_000 - mark.stored_ns / _NS_PER_S
        text = f"executor {mark.executor} is {ahead_s * 1_000:+.1f} ms off the server"
        yield _skew("clock", text, abs(ahead_s))


def _skew(check: str, text: str, skew_s: float) -> Finding:
    if skew_s <= CLOCK_SKEW_MAX_S:
        return _finding(check, Level.OK, text)
    hint = "synchronise the machines' clocks (NTP): sleeps and schedules go by them"
    return _finding(check, Level.ERROR, text, hint)


def _executors(seen: Inspection, expected: Expected) -> Findings:
    names = [mark.executor for mark in seen.members]
    leaving = [mark.executor for mark in seen.members if (found := _member(mark)) and found.leaving]
    staying = len(names) - len(leaving)
    text = f"{staying} live" + (f", {len(leaving)} leave" if leaving else "")
    if not staying:
        text, hint = "no executor lives: invocations wait", "start one, or see why it does not"
        yield _finding("executors", Level.ERROR, text, hint)
    elif expected.executors is not None and staying < expected.executors:
        text = f"{text}, {expected.executors} are wanted"
        yield _finding("executors", Level.ERROR, text, "see why the others do not start")
    else:
        yield _finding("executors", Level.OK, text)


def _storing(seen: Inspection, _: Expected) -> Findings:
    """A broker that stores nothing more answers all questions, and does not expire marks either."""
    if seen.looked_ns is None or seen.clock_ahead_s is None:
        return
    now_ns = seen.looked_ns - seen.clock_ahead_s * _NS_PER_S
    for mark in seen.members:
        age_s = (now_ns - mark.stored_ns) / _NS_PER_S
        if age_s > MARK_AGE_S_MAX:
            text = f"the heartbeat of executor {mark.executor} was stored {age_s:.0f} s ago"
            hint = (
                "the server stores nothing, since its disk is full or broken: see its log, make "
                "room, and start it anew"
            )
            yield _finding("storing", Level.ERROR, text, hint)


def _partitions(seen: Inspection, _: Expected) -> Findings:
    if not seen.partitions or not seen.members:
        return
    owners = Counter(
        number for mark in seen.members if (found := _member(mark)) for number in found.partitions
    )
    free = [number for number in range(seen.partitions) if not owners[number]]
    shared = [number for number, count in owners.items() if count > 1]
    hint = "look again in two seconds: while executors come and go this is normal"
    if free:
        text = f"nobody owns partitions {_listed(free)}"
        yield _finding("partitions", Level.WARNING, text, hint)
    if shared:
        text = f"several executors say that they own partitions {_listed(shared)}"
        yield _finding("partitions", Level.WARNING, text, hint)
    if not free and not shared:
        text = f"each of {seen.partitions} has one owner"
        yield _finding("partitions", Level.OK, text)


def _lag(seen: Inspection, _: Expected) -> Findings:
    waiting = {each.partition: each.waiting for each in seen.queues if each.waiting > WAITING_MAX}
    if waiting:
        listed = ", ".join(f"{number}: {count}" for number, count in sorted(waiting.items()))
        hint = "executors are too few, too slow or gone: see docs/operations.md on capacity"
        text = f"undelivered messages by partition: {listed}"
        yield _finding("lag", Level.WARNING, text, hint)
    elif seen.queues:
        total = sum(each.waiting for each in seen.queues)
        held = sum(each.unacknowledged for each in seen.queues)
        text = f"{total} messages undelivered, {held} in the hands of executors"
        yield _finding("lag", Level.OK, text)


def _damaged(seen: Inspection, _: Expected) -> Findings:
    """Only executors read logs as they go, so only what somebody asked for is known here."""
    names = sorted({name for mark in seen.members if (it := _member(mark)) for name in it.damaged})
    if names:
        shown, more = ", ".join(names[:DAMAGED_SHOWN_MAX]), len(names) - DAMAGED_SHOWN_MAX
        text = f"the logs of {shown}{f' and {more} more' if more > 0 else ''} are damaged"
        hint = "their invocations wait: see `shem oplog verify`, which reads all logs"
        yield _finding("logs", Level.ERROR, text, hint)


def _losses(seen: Inspection, _: Expected) -> Findings:
    if seen.sharding is None:
        return
    ends = {each.name: each.last_sequence for each in seen.streams}
    holders = [
        stream_name(seen.sharding.stream_of(number)) for number in range(seen.sharding.partitions)
    ]
    hint = "restore a backup, or see what is lost by `shem oplog accept-loss`"
    losses = losses_in(seen.progress)
    for partition, loss in sorted(losses.items()):
        text = f"partition {partition} is served by nobody: {loss.message}"
        yield _finding("losses", Level.ERROR, text, hint)
    marks = marks_in(seen.progress)
    short: dict[str, list[int]] = {}
    for number, mark in sorted(marks.items()):
        if mark.seen > ends.get(holders[number], 0) and number not in losses:
            short.setdefault(holders[number], []).append(number)
    for name, missing in short.items():
        reached = max(marks[number].seen for number in missing)
        text = (
            f"acknowledged messages are gone: {name} ends at sequence {ends.get(name, 0)}, "
            f"and had reached {reached} in partitions {_listed(missing)}"
        )
        yield _finding("losses", Level.ERROR, text, hint)
    if marks and not losses and not short:
        text = f"the stream is as long as it was known to be in {len(marks)} partitions"
        yield _finding("losses", Level.OK, text)


def _disk(seen: Inspection, _: Expected) -> Findings:
    disk = seen.disk
    if disk is None:
        return
    if not disk.limit:
        text = f"{disk.used // _MIB} MiB are stored; no limit is known"
        hint = "name the server's monitoring endpoint in SHEM_NATS_MONITOR"
        yield _finding("disk", Level.UNKNOWN, text, hint)
        return
    share = disk.used / disk.limit
    text = f"{disk.used // _MIB} of {disk.limit // _MIB} MiB are used, {share:.0%}"
    if share < DISK_WARNING:
        yield _finding("disk", Level.OK, text)
        return
    level = Level.ERROR if share >= DISK_ERROR else Level.WARNING
    yield _finding("disk", level, text, "delete workers, or give JetStream a larger disk or limit")


def _identity(seen: Inspection, _: Expected) -> Findings:
    who = seen.identity
    if who is None:
        return
    text = f"we are {who.user or 'nobody in particular'} in account {who.account}"
    if who.publish is None and who.subscribe is None:
        hint = "give each role an identity of its own: `shem deploy nats`"
        yield _finding("identity", Level.WARNING, f"{text}, who may do everything", hint)
    else:
        yield _finding("identity", Level.OK, text)


def _blind_spots(seen: Inspection, _: Expected) -> Findings:
    for reason in seen.unseen:
        hint = "an identity of the role `operator` or `observer` may see it"
        if reason.endswith("in time"):
            hint = f"look again while servers elect a leader; {hint}"
        yield _finding("permissions", Level.UNKNOWN, f"not seen: {reason}", hint)


def _member(mark: Mark) -> Member | None:
    try:
        return msgspec.json.decode(mark.data, type=Member)
    except msgspec.DecodeError:
        return None


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, sorted(numbers)[:10]))
    return f"{shown} and {len(numbers) - 10} more" if len(numbers) > 10 else shown
