"""A worker's time, whatever becomes of the machine's."""

from actors.clock import STANDSTILL_MAX_NS, WorkerClock

START_NS = 1_700_000_000 * 10**9
SECOND_NS = 10**9


class Machine:
    def __init__(self) -> None:
        self.wall = START_NS
        self.passed_s = 100.0

    def wall_ns(self) -> int:
        return self.wall

    def monotonic_s(self) -> float:
        return self.passed_s

    def pass_time(self, seconds: float) -> None:
        self.passed_s += seconds
        self.wall += round(seconds * SECOND_NS)


def clock_of(machine: Machine, *, floor_ms: int | None = None) -> WorkerClock:
    created_ms = START_NS // 1_000_000
    return WorkerClock(
        machine,
        created_ms=created_ms,
        floor_ms=created_ms - 1 if floor_ms is None else floor_ms,
    )


def test_it_goes_as_the_machines_does():
    machine = Machine()
    clock = clock_of(machine)
    machine.pass_time(3)
    assert clock.monotonic_ns() == 3 * SECOND_NS
    machine.wall += 60 * SECOND_NS
    assert clock.monotonic_ns() == 63 * SECOND_NS


def test_when_the_machines_is_set_back_it_goes_on_as_fast_as_before():
    machine = Machine()
    clock = clock_of(machine)
    machine.pass_time(10)
    before = clock.monotonic_ns()
    machine.wall -= 3_600 * SECOND_NS
    machine.pass_time(1.5)
    assert clock.monotonic_ns() - before == 1.5 * SECOND_NS
    assert clock.stamp_ms() == (START_NS + 11.5 * SECOND_NS) // 1_000_000


def test_an_owner_whose_clock_is_behind_goes_on_from_the_last_stamp():
    machine = Machine()
    floor_ms = START_NS // 1_000_000 + 120_000
    clock = clock_of(machine, floor_ms=floor_ms)
    assert clock.stamp_ms() == floor_ms + 1
    machine.pass_time(2)
    assert clock.stamp_ms() == floor_ms + 2_001


def test_what_it_is_ahead_after_a_restart_does_not_add_up():
    machine = Machine()
    clock = clock_of(machine)
    for _ in range(50):
        machine.pass_time(0.2)
        floor_ms = clock.stamp_ms()
        clock = clock_of(machine, floor_ms=floor_ms)
    machine.pass_time(1)
    assert clock.monotonic_ns() == machine.wall - START_NS


def test_a_little_behind_it_waits_and_never_goes_back():
    machine = Machine()
    clock = clock_of(machine)
    machine.pass_time(10)
    before = clock.monotonic_ns()
    machine.wall -= STANDSTILL_MAX_NS // 2
    assert clock.monotonic_ns() == before
    machine.pass_time(1)
    assert clock.monotonic_ns() == machine.wall - START_NS
