"""Invocations that come again and again: when the next one is due, and what to do about late ones.

Pure. An occurrence is an ordinary scheduled invocation that carries its rule. Whoever takes it
records with it when the next one is due, and that is scheduled after the commit, so that the chain
goes on exactly once, from any executor, after any downtime. What was missed meanwhile is made up
for as the rule says:

| catch-up | a late occurrence | the next one |
|---|---|---|
| all | runs | the one after it, however late |
| one | runs, once for all that were missed | the first in the future |
| none | is refused as `missed` if the next one is due already | the first in the future |
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from cronsim import CronSim, CronSimError

from actors.limits import KEY_BYTES_MAX, WAKE_AT_MS_MAX
from oplog.entries import Repeat

__all__ = [
    "CATCH_UPS",
    "EVERY_MS_MAX",
    "EVERY_MS_MIN",
    "ID_BYTES_MAX",
    "REPEAT_BYTES_MAX",
    "check_repeat",
    "first",
    "following",
    "headers_of",
    "is_another",
    "is_missed",
    "key_of",
    "rule_in",
]

_decode_repeat = msgspec.json.Decoder(Repeat).decode

CATCH_UPS: Final = ("all", "one", "none")
EVERY_MS_MIN: Final = 1_000
# A hundred years.
EVERY_MS_MAX: Final = 36_525 * 86_400_000
# With the time of an occurrence behind it, it is a key.
ID_BYTES_MAX: Final = KEY_BYTES_MAX - len("@") - len(str(WAKE_AT_MS_MAX))
REPEAT_BYTES_MAX: Final = 64 << 10


def check_repeat(repeat: Repeat) -> None:
    """Refuse rules that cannot be followed.

    Raises:
        ValueError: says which part and what was expected.
    """
    if not repeat.id or "\n" in repeat.id or "\r" in repeat.id:
        raise ValueError(f"an id has a character at least and no line break, got {repeat.id!r}")
    if len(repeat.id.encode()) > ID_BYTES_MAX:
        raise ValueError(f"an id has at most {ID_BYTES_MAX} bytes, got {repeat.id[:80]!r}")
    if (repeat.cron is None) is (repeat.every_ms is None):
        raise ValueError("a recurring invocation has either a cron expression or an interval")
    if repeat.every_ms is not None and not EVERY_MS_MIN <= repeat.every_ms <= EVERY_MS_MAX:
        raise ValueError(
            f"an interval has between {EVERY_MS_MIN} and {EVERY_MS_MAX} ms, got {repeat.every_ms}"
        )
    if repeat.catch_up not in CATCH_UPS:
        raise ValueError(f"catch-up is one of {', '.join(CATCH_UPS)}, got {repeat.catch_up!r}")
    try:
        zone = ZoneInfo(repeat.zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {repeat.zone!r}") from error
    if repeat.cron is not None:
        try:
            next(CronSim(repeat.cron, datetime.fromtimestamp(0, zone)))
        except (CronSimError, StopIteration) as error:
            raise ValueError(f"cron expression {repeat.cron!r}: {error}") from error
    if len(repeat.call.encode()) > REPEAT_BYTES_MAX:
        raise ValueError(f"the call of a recurring invocation has at most {REPEAT_BYTES_MAX} bytes")


def first(repeat: Repeat, now_ms: int) -> Repeat:
    """Return the rule with its first occurrence after `now_ms` (Unix time)."""
    return msgspec.structs.replace(repeat, due_ms=_next_ms(repeat, now_ms, now_ms))


def following(repeat: Repeat, now_ms: int) -> Repeat:
    """Return the rule with the occurrence that follows the one at hand."""
    due_ms = _next_ms(repeat, repeat.due_ms, repeat.due_ms)
    if repeat.catch_up != "all" and due_ms <= now_ms:
        due_ms = _next_ms(repeat, now_ms, repeat.due_ms)
    return msgspec.structs.replace(repeat, due_ms=due_ms)


def is_missed(repeat: Repeat, now_ms: int) -> bool:
    """Whether the occurrence at hand is not to run any more."""
    return repeat.catch_up == "none" and _next_ms(repeat, repeat.due_ms, repeat.due_ms) <= now_ms


def key_of(repeat: Repeat) -> str:
    """Return the idempotency key of the occurrence at hand."""
    return f"{repeat.id}@{repeat.due_ms}"


def headers_of(repeat: Repeat) -> Mapping[str, str]:
    """Return the headers of the occurrence at hand; the call is the payload."""
    rule = msgspec.structs.replace(repeat, call="")
    return {
        "Shem-Key": key_of(repeat),
        "Shem-Repeat": msgspec.json.encode(rule).decode(),
        "Shem-Due": str(repeat.due_ms),
    }


def rule_in(headers: Mapping[str, str], call: bytes) -> Repeat | None:
    """Return the rule that a message carries, None if it has none that makes sense."""
    text = headers.get("Shem-Repeat")
    if text is None:
        return None
    try:
        return msgspec.structs.replace(_decode_repeat(text), call=call.decode())
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_another(found: Repeat | None, rule: Repeat | None) -> bool:
    """Whether a rule was found that is not `rule`, whichever occurrence each is at."""
    if found is None or rule is None:
        return False
    return msgspec.structs.replace(found, due_ms=rule.due_ms) != rule


def _next_ms(repeat: Repeat, after_ms: int, phase_ms: int) -> int:
    """Return the first occurrence after a time; intervals count from `phase_ms`."""
    if repeat.cron is None:
        every_ms = repeat.every_ms or EVERY_MS_MIN
        return phase_ms + every_ms * ((after_ms - phase_ms) // every_ms + 1)
    after = datetime.fromtimestamp(after_ms / 1_000, ZoneInfo(repeat.zone))
    return int(next(CronSim(repeat.cron, after)).timestamp() * 1_000)
