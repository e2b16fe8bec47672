"""When snapshots of a component's workers are taken.

| text | a snapshot is taken |
|---|---|
| `auto` | when bringing the worker back by replay would take noticeably longer than the snapshot |
| `never` | never |
| `idle` | when an idle worker leaves memory |
| `every=N` | after N entries since the last one |
| `period=D` | when D (`30s`, `5m`, `1h`) has passed, if the worker did something |

The last three can be combined, separated by commas. `custom` before them, or alone for `auto`, has
the component save itself, by `save-snapshot` and `load-snapshot`, in place of its instance.
"""

import re
from typing import Final

from msgspec import Struct

__all__ = ["AUTO_TEXT", "Cost", "PolicyError", "SnapshotPolicy", "parse_policy"]

AUTO_TEXT: Final = "auto"
ENTRIES_MAX: Final = 1_000_000_000
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}
_PERIOD: Final = re.compile(r"([1-9][0-9]{0,8})([smh])")

# What reading and handing out one recorded entry costs at replay, besides what the guest does.
ENTRY_S: Final = 50e-6
# The smallest gains that are worth a snapshot: of a worker that works, one that has nothing to do,
# and one that leaves memory anyway. A working one waits for it, so that it must gain many times
# what the last one took.
WORKING_GAIN_MIN_S: Final = 0.1
WORKING_GAIN_RATIO: Final = 10.0
IDLE_GAIN_MIN_S: Final = 0.05
LEAVING_GAIN_MIN_S: Final = 0.01
# After fewer entries than this, the gain of a worker that stays must be that many times larger:
# what an interpreter does when it is called for the first time is no reason to save it.
FEW_ENTRIES: Final = 50
FEW_ENTRIES_RATIO: Final = 10.0
# How long a worker has nothing to do before that counts.
IDLE_AFTER_S: Final = 1.0
# Timers may fire a moment early, and nobody would look again.
TIMER_EARLY_S: Final = 0.001


class PolicyError(ValueError):
    """The text is no policy; terminal. The message says what was expected."""


class Cost(Struct, frozen=True, kw_only=True):
    """What has happened since the last snapshot, and what that one took."""

    entries: int
    busy_s: float
    since_s: float
    last_took_s: float

    @property
    def replay_s(self) -> float:
        """How long replaying it would take, more or less."""
        return self.busy_s + self.entries * ENTRY_S


class SnapshotPolicy(Struct, frozen=True, kw_only=True):
    """A parsed policy. `is_automatic` sets no times; `is_custom`: in the guest's own words."""

    is_automatic: bool = False
    is_custom: bool = False
    at_leaving: bool = False
    every_entries: int | None = None
    period_s: int | None = None

    @property
    def is_never(self) -> bool:
        """Whether no snapshot is ever taken."""
        return self == SnapshotPolicy()

    def is_out_of_question(self, entries: int, busy_s: float) -> bool:
        """Whether so much since the last snapshot is too little for any: the quick look."""
        return self.is_automatic and entries * ENTRY_S + busy_s < LEAVING_GAIN_MIN_S

    def while_working(self, cost: Cost) -> bool:
        """Whether to take one between two invocations."""
        if self.is_automatic:
            gain_min_s = max(WORKING_GAIN_MIN_S, WORKING_GAIN_RATIO * cost.last_took_s)
            return _gains(cost, gain_min_s)
        return self._is_due(cost)

    def while_idle(self, cost: Cost) -> bool:
        """Whether to take one of a worker that has had nothing to do for `idle_after_s`."""
        if self.is_automatic:
            return _gains(cost, max(IDLE_GAIN_MIN_S, cost.last_took_s))
        return self._is_due(cost)

    def when_leaving(self, cost: Cost) -> bool:
        """Whether to take one of an idle worker that leaves memory to make room."""
        if self.is_automatic:
            return cost.replay_s >= max(LEAVING_GAIN_MIN_S, cost.last_took_s)
        return cost.entries > 0 and (self.at_leaving or self._is_due(cost))

    def idle_after_s(self, cost: Cost) -> float | None:
        """Return after how many seconds without work to ask `while_idle`; None: not at all."""
        if cost.entries <= 0:
            return None
        if self.is_automatic:
            return IDLE_AFTER_S if self.while_idle(cost) else None
        if self.period_s is not None:
            return max(0.0, self.period_s - cost.since_s)
        return None

    def _is_due(self, cost: Cost) -> bool:
        if cost.entries <= 0:
            return False
        if self.every_entries is not None and cost.entries >= self.every_entries:
            return True
        return self.period_s is not None and cost.since_s >= self.period_s - TIMER_EARLY_S


def _gains(cost: Cost, gain_min_s: float) -> bool:
    ratio = FEW_ENTRIES_RATIO if cost.entries < FEW_ENTRIES else 1.0
    return cost.replay_s >= ratio * gain_min_s


def parse_policy(text: str) -> SnapshotPolicy:
    """Return the policy that `text` says.

    Raises:
        PolicyError: it says none.
    """
    if text == AUTO_TEXT:
        return SnapshotPolicy(is_automatic=True)
    if text == "never":
        return SnapshotPolicy()
    if text == "custom":
        return SnapshotPolicy(is_automatic=True, is_custom=True)
    at_leaving, every, period = False, None, None
    is_custom = text.startswith("custom,")
    for part in text.removeprefix("custom,").split(","):
        name, _, value = part.partition("=")
        match name:
            case "idle" if not value and not at_leaving:
                at_leaving = True
            case "every" if every is None and value.isascii() and value.isdigit():
                every = int(value)
                if not 1 <= every <= ENTRIES_MAX:
                    raise PolicyError(f"snapshots {text!r}: expected 1 to {ENTRIES_MAX} entries")
            case "period" if period is None and (found := _PERIOD.fullmatch(value)):
                period = int(found[1]) * _SECONDS[found[2]]
            case _:
                raise PolicyError(
                    f"snapshots {text!r}: expected auto, never, custom, or idle, every=N and "
                    "period=D (as 30s, 5m, 1h) separated by commas, perhaps behind custom"
                )
    return SnapshotPolicy(
        is_custom=is_custom, at_leaving=at_leaving, every_entries=every, period_s=period
    )
