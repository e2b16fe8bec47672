"""What the broker holds of a worker, counted at once.

A worker that is asked for the first time has nothing there but what it was just sent, and a worker
that comes back has commands in its mailbox once in a blue moon. One question to the leader tells
both, where otherwise every place in which something could lie is asked for by itself.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from actors.identity import Address
from broker.ports import Journal, Message

__all__ = ["KINDS_READ", "Holdings"]

# The kinds of mailbox messages that have a watermark, in the order in which they are read.
KINDS_READ: Final = ("control", "invoke")


class Holdings(Struct, frozen=True):
    """How many messages a worker has, by what they are."""

    commits: int
    snapshots: int
    mail: dict[str, int]

    @staticmethod
    async def count(journal: Journal, address: Address) -> "Holdings":
        """Ask the broker.

        Raises:
            UnavailableError: it does not answer now.
        """
        counts = await journal.subjects(address.everything)
        return Holdings(
            commits=counts.get(address.log, 0),
            snapshots=counts.get(address.snap, 0),
            mail={
                "control": counts.get(address.mailbox_control, 0),
                "invoke": counts.get(address.mailbox_invoke, 0),
            },
        )

    @property
    def is_new(self) -> bool:
        """Whether the worker has never been, or nothing is left that says so."""
        return not (self.commits or self.snapshots)

    def unread(self, heard: Sequence[tuple[str, Message]]) -> tuple[str, ...]:
        """Return the kinds of which more lies in the mailbox than was `heard` before the count.

        Of a worker that has been, messages may be taken away meanwhile that were delivered, so that
        numbers which agree prove nothing but that there are none at all.
        """
        return tuple(kind for kind in KINDS_READ if self._is_unread(kind, heard))

    def _is_unread(self, kind: str, heard: Sequence[tuple[str, Message]]) -> bool:
        stored = self.mail[kind]
        if not self.is_new:
            return stored > 0
        return stored > len({message.sequence for each, message in heard if each == kind})
