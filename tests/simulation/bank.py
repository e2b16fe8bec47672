"""A database outside, and guests that write to it: in transactions, and without.

The bank speaks the durability kinds as the executor's own database interfaces will: transactions
with an identifier that it can be asked about, writes under an idempotency key, writes without.
"""

import itertools
from typing import Any, ClassVar

from actors.durability import (
    Transaction,
    begin_transaction,
    bind,
    commit,
    rollback,
    waiting_step,
)
from actors.host.interface import HostFunction, Kind
from tests.simulation.versions import U64, Guest, function
from wit.types import FunctionType, Primitive

BANK = "test:bank/bank"


class Bank:
    """What the database has: committed amounts by transaction, and single writes in order."""

    def __init__(self) -> None:
        self.committed: dict[str, list[int]] = {}
        self.asked: list[str] = []
        self.writes: list[tuple[str, int]] = []
        self._ids = itertools.count(1)

    def new_id(self) -> str:
        return f"tx-{next(self._ids)}"

    async def was_committed(self, id_: str) -> bool:
        self.asked.append(id_)
        return id_ in self.committed

    @property
    def total(self) -> int:
        return sum(itertools.chain.from_iterable(self.committed.values()))


THE_BANK = Bank()


def opened() -> Bank:
    """Return the bank of a new test: empty."""
    THE_BANK.__init__()
    return THE_BANK


async def _write(context: Any, amount: int) -> int:
    key = context.journal.key_of(context.journal.index + 1)
    THE_BANK.writes.append((key, amount))
    return len(THE_BANK.writes)


_WRITE_TYPE: FunctionType = function(U64, result=U64)
WRITE = bind(
    HostFunction(interface=BANK, name="write", kind=Kind.WRITE_REMOTE, run=_write, blocking=True),
    _WRITE_TYPE,
    "write",
)


class Customer(Guest):
    """Moves money, keeps the sum of what it moved, and rolls back what is odd."""

    TYPES: ClassVar[dict[str, FunctionType]] = {
        **Guest.TYPES,
        "transfer": function(U64, result=U64),
        "refuse": function(U64, result=U64),
        "once": function(U64, result=U64),
        "again": function(U64, result=U64),
    }

    async def _transact(self, amount: int, *, gives_up: bool) -> int:
        bank, journal = THE_BANK, self.context.journal
        transaction: Transaction = await begin_transaction(
            journal, f"{BANK}#begin", new_id=bank.new_id, was_committed=bank.was_committed
        )
        # What is open at the bank goes with the connection: this instance.
        amounts: list[int] = []

        async def execute(value: int) -> int:
            async def live() -> int:
                amounts.append(value)
                return len(amounts)

            kind = Kind.WRITE_REMOTE_TRANSACTION
            name = f"{BANK}#execute"
            return await waiting_step(
                journal, name, kind, Primitive.U64, live, begin=transaction.begin
            )

        drawn: int = await self.host("random") % 100
        moved = amount + drawn
        await execute(amount)
        await execute(drawn)
        if gives_up:

            async def undo() -> None:
                amounts.clear()

            await rollback(journal, transaction, undo)
            return self.value

        async def do() -> None:
            bank.committed[transaction.id] = list(amounts)

        await commit(journal, transaction, do)
        self.value += moved
        return self.value

    async def transfer(self, amount: int) -> int:
        return await self._transact(amount, gives_up=False)

    async def refuse(self, amount: int) -> int:
        return await self._transact(amount, gives_up=True)

    async def _put(self, amount: int) -> int:
        await WRITE.run(self.context, amount)
        self.value += amount
        return self.value

    async def once(self, amount: int) -> int:
        """Write what must not be repeated."""
        await self.host("set-idempotence-mode", False)
        value = await self._put(amount)
        await self.host("set-idempotence-mode", True)
        return value

    async def again(self, amount: int) -> int:
        return await self._put(amount)
