"""Opening the baseline of a program: a store in which nothing ever runs."""

import weakref
from typing import TYPE_CHECKING

from actors.engine.core_instances import CoreInstances
from actors.engine.snapshot.baseline import Baseline
from actors.engine.store import Store

if TYPE_CHECKING:
    from actors.engine.program import LinkedProgram

__all__ = ["open_baseline"]


def open_baseline(program: "LinkedProgram") -> Baseline:
    """Make the baseline of a program; it is freed together with the program.

    Raises:
        CapacityError: no room for the memory mappings of one more store.
    """
    machine, plan = program.machine, program.plan
    memories = len(program.memories)
    machine.reserve(memories)
    store = Store(
        machine.address,
        machine.ticks,
        None,
        components=plan.instance_count,
        lowerings=len(plan.lowerings),
        exports=len(plan.lifts),
    )

    def free() -> None:
        store.close()
        machine.give_back(memories)

    instances = CoreInstances(store, program.layout, program.template, machine.waiting)
    try:
        instances.instantiate_plain()
        baseline = Baseline(store, instances, program.pieces)
    except BaseException:
        free()
        raise
    weakref.finalize(program, free)
    return baseline
