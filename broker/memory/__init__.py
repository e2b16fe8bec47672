"""A deterministic broker in memory, held to the contract suite of the real one.

A `MemoryCluster` is the server; `connect()` gives connections that share it, so that several
executors of a test see each other. Time comes from a `Clock`; nothing here is random. `Faults`
makes appends fail, hang or end unknown, and deliveries disappear; a connection can be cut and
restored.
"""

from broker.memory.broker import MemoryBroker, MemoryCluster
from broker.memory.clock import Clock, LoopClock, ManualClock
from broker.memory.faults import Faults, Gate

__all__ = [
    "Clock",
    "Faults",
    "Gate",
    "LoopClock",
    "ManualClock",
    "MemoryBroker",
    "MemoryCluster",
]
