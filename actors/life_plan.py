"""What a life has to do: decided by what the log says and what has come in, without a guest."""

from enum import Enum, auto
from typing import Final, final

from actors.commands import Commands
from actors.intake import Intake
from actors.ledger import Ledger
from actors.past import Past

__all__ = ["LifePlan", "Plan"]

_NEVER_MS: Final = 1 << 62


class Plan(Enum):
    """What to do; `actors.life` says what each means."""

    REST = auto()
    WAIT = auto()
    REFUSE = auto()
    RUN = auto()


@final
class LifePlan:
    """The decision, as often as something may have changed."""

    def __init__(
        self,
        past: Past,
        ledger: Ledger,
        intake: Intake,
        commands: Commands,
    ) -> None:
        self._past = past
        self._ledger = ledger
        self._mailbox = intake.mailbox
        self._intake = intake
        self._reads = intake.reads
        self._commands = commands

    def choose(self, *, leaving: bool) -> Plan:
        """Return what is to be done now. `leaving`: nothing new is begun."""
        if self._past.is_unfinished_copy:
            return Plan.REST
        if self._past.tries_update and self._past.status.state != "interrupted":
            return Plan.REST if leaving else Plan.RUN
        status = self._past.status.status()
        # Without a point in time only a message can wake it: later than any clock.
        wake_at_ms = _NEVER_MS if status.wake_at_ms is None else status.wake_at_ms
        match status.state:
            case "suspended" if self._ledger.waits.is_answered(self._past.waits_for):
                return Plan.REST if leaving else Plan.RUN
            case "retrying" if self._past.plan.pending is not None and status.wake_at_ms is None:
                # It had failed, and is brought back to save its state for another version.
                return Plan.REST if leaving else Plan.RUN
            case "failed" | "exited":
                waits = len(self._mailbox) or not self._reads.is_empty
                owed = not leaving and (waits or self._ledger.running)
                return Plan.REFUSE if owed else Plan.REST
            case "interrupted":
                return Plan.REST
            case "suspended" | "retrying" if wake_at_ms >= self._ledger.horizon_ms():
                if self._past.waiting_since in self._intake.woken:
                    # Our clock is behind the broker's: its schedule has fired and is gone.
                    self._intake.woken.clear()
                    self._ledger.suspend(wake_at_ms, self._past.waits_for)
                return Plan.REST
            case "retrying" if wake_at_ms > self._ledger.clock.stamp_ms():
                return Plan.REST if leaving else Plan.WAIT
            case _:
                work = (
                    self._past.open is not None
                    or len(self._mailbox)
                    or not self._reads.is_empty
                    or self._past.plan.pending is not None
                    or bool(self._commands.questions)
                )
                return Plan.RUN if work and not leaving else Plan.REST
