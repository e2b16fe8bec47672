"""Who leaves memory, and when it is about to become full."""

from actors.residency import Residency


class Guest:
    def __init__(self, *, idle: bool = True) -> None:
        self._idle = idle
        self.has_left = False

    def evict(self) -> bool:
        self.has_left = self._idle
        return self._idle


def test_the_one_that_is_idle_for_longest_leaves():
    residency = Residency(memory_bytes_max=100, workers_max=10)
    old, busy, new = Guest(), Guest(idle=False), Guest()
    for guest in (old, busy, new):
        residency.entered(guest, 40)
        residency.settled(guest, 40)
    assert [guest.has_left for guest in (old, busy, new)] == [True, False, False]
    assert residency.memory_bytes == 80

    # The busy one stays the first candidate, and somebody else makes room.
    residency.entered(Guest(), 40)
    assert [guest.has_left for guest in (busy, new)] == [False, True]


def test_it_is_crowded_as_soon_as_half_of_either_room_is_taken():
    by_number = Residency(memory_bytes_max=1_000_000, workers_max=4)
    assert not by_number.is_crowded
    by_number.entered(Guest(), 1)
    assert by_number.is_crowded, "the next one is the second of four"

    by_size = Residency(memory_bytes_max=100, workers_max=1_000)
    guest = Guest()
    by_size.entered(guest, 49)
    assert not by_size.is_crowded
    by_size.settled(guest, 50)
    assert by_size.is_crowded
    by_size.left(guest)
    assert not by_size.is_crowded


def test_where_one_alone_fits_it_is_always_crowded():
    assert Residency(memory_bytes_max=100, workers_max=1).is_crowded
