"""What need not be read, by what the broker counts."""

from collections.abc import Sequence

import pytest

from actors.holdings import Holdings
from broker.ports import Message


def _holdings(*, commits: int = 0, snapshots: int = 0, **mail: int) -> Holdings:
    counts = {"control": 0, "invoke": 0, **mail}
    return Holdings(commits=commits, snapshots=snapshots, mail=counts)


def _heard(*sequences: int, kind: str = "invoke") -> Sequence[tuple[str, Message]]:
    return [(kind, Message("s", sequence, b"", {})) for sequence in sequences]


@pytest.mark.parametrize(
    ("heard", "stored", "unread"),
    [
        (_heard(1), 1, ()),
        (_heard(1, 5), 2, ()),
        # More was delivered after the count.
        (_heard(1, 5, 6), 2, ()),
        (_heard(), 1, ("invoke",)),
        (_heard(5), 2, ("invoke",)),
        # Delivered twice.
        (_heard(5, 5), 2, ("invoke",)),
        (_heard(5, kind="control"), 1, ("invoke",)),
        (_heard(5, kind="reply"), 1, ("invoke",)),
    ],
)
def test_of_a_new_worker_what_was_not_heard_is_read(
    heard: Sequence[tuple[str, Message]], stored: int, unread: tuple[str, ...]
) -> None:
    assert _holdings(invoke=stored).unread(heard) == unread


@pytest.mark.parametrize("stores", [{"commits": 1}, {"snapshots": 1}])
def test_of_a_worker_that_has_been_only_what_there_is_none_of_is_not_read(
    stores: dict[str, int],
) -> None:
    heard = [*_heard(5), *_heard(6, kind="control")]
    assert _holdings(**stores, invoke=1).unread(heard) == ("invoke",)
    assert _holdings(**stores, invoke=1, control=1).unread(heard) == ("control", "invoke")
    assert _holdings(**stores).unread(heard) == ()
