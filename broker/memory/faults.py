"""What a test may make go wrong."""

import asyncio
from collections import deque
from typing import final

from msgspec import Struct

from broker.errors import BrokerError, OutcomeUnknownError
from broker.layout import matches

__all__ = ["Faults", "Gate"]


@final
class Gate:
    """Holds one append back until it is opened."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()
        self._open = asyncio.Event()

    def open(self) -> None:
        """Let the append go on."""
        self._open.set()

    async def wait_for_arrival(self) -> None:
        """Wait until an append stands before the gate."""
        await self._arrived.wait()

    async def pass_through(self) -> None:
        """Wait until the gate is open."""
        self._arrived.set()
        await self._open.wait()


class _Plan(Struct, frozen=True):
    """What happens to one coming append."""

    subject: str
    error: BrokerError | None = None
    stored: bool = False
    gate: Gate | None = None


@final
class Faults:
    """Plans for coming operations, each used once, first planned first used."""

    def __init__(self) -> None:
        self._plans: deque[_Plan] = deque()
        self._deliveries_to_drop = 0

    def fail_next_append(self, error: BrokerError, *, subject: str = ">") -> None:
        """Raise `error` from the next append or publish to `subject`, storing nothing."""
        self._plans.append(_Plan(subject=subject, error=error))

    def make_next_append_ambiguous(self, *, stored: bool, subject: str = ">") -> None:
        """Raise `OutcomeUnknownError` from the next append, with or without storing."""
        error = OutcomeUnknownError(f"the answer to an append matching {subject!r} was dropped")
        self._plans.append(_Plan(subject=subject, error=error, stored=stored))

    def hold_next_append(self, *, subject: str = ">") -> Gate:
        """Let the next append wait before it is stored."""
        gate = Gate()
        self._plans.append(_Plan(subject=subject, gate=gate))
        return gate

    def drop_deliveries(self, count: int) -> None:
        """Lose the next deliveries on their way to a consumer."""
        self._deliveries_to_drop += count

    async def before_append(self, subject: str) -> BrokerError | None:
        """Apply the plan for an append; return the error to raise once it is stored."""
        plan = self._take(subject)
        if plan is None:
            return None
        if plan.gate is not None:
            await plan.gate.pass_through()
        if plan.error is not None and not plan.stored:
            raise plan.error
        return plan.error

    def drops_delivery(self) -> bool:
        """Say whether this delivery gets lost."""
        if not self._deliveries_to_drop:
            return False
        self._deliveries_to_drop -= 1
        return True

    def _take(self, subject: str) -> _Plan | None:
        for plan in self._plans:
            if matches(plan.subject, subject):
                self._plans.remove(plan)
                return plan
        return None
