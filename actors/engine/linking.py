"""Where every import of every step lies, laid out once per program.

One block of memory per store holds all core instances, then per step the array of its imports.
Each import is an address in the block that is filled by looking up an export, by copying one that
was filled before, or by making a host function.
"""

import ctypes
from collections.abc import Callable, Iterable
from typing import NamedTuple, final

from actors.engine.bindings import EXTERN_BYTES, EXTERN_PAYLOAD_OFFSET, INSTANCE_BYTES, Address
from actors.engine.core.module import ExternKind
from actors.engine.plan.model import CoreSource, FromInstance

__all__ = ["FunctionTemplate", "HostFunctionAt", "Layout", "Step", "StepInput", "make_layout"]


class FunctionTemplate(NamedTuple):
    """A host function to make in each store: its type and its callback."""

    type: Address
    callback: Address


class StepInput(NamedTuple):
    """One instantiation: the module, and where its imports come from. None is the async `wait`.

    `entry` is the name of the start function.
    """

    slot: int
    module: Address
    imports: tuple[CoreSource | FunctionTemplate | None, ...]
    entry: str | None


class Lookup(NamedTuple):
    """Find an export: instance offset, name, name length, offset to write to."""

    instance: int
    name: Address
    length: int
    out: int


class Copy(NamedTuple):
    """Copy an extern between two offsets."""

    source: int
    out: int


class HostFunctionAt(NamedTuple):
    """Make a host function and write it to an offset."""

    type: Address
    callback: Address
    out: int


class Step(NamedTuple):
    """How to make one core instance. Offsets are into the block."""

    instance: int
    module: Address
    imports: int
    import_count: int
    lookups: tuple[Lookup, ...]
    copies: tuple[Copy, ...]
    functions: tuple[HostFunctionAt, ...]
    waits: tuple[int, ...]
    entry: FromInstance | None


@final
class Names:
    """C strings that live as long as the program."""

    def __init__(self) -> None:
        self._buffers: dict[str, tuple[Address, int, object]] = {}

    def get(self, name: str) -> tuple[Address, int]:
        """Return address and length."""
        found = self._buffers.get(name)
        if found is None:
            data = name.encode()
            buffer = ctypes.create_string_buffer(data)
            found = self._buffers[name] = (ctypes.addressof(buffer), len(data), buffer)
        return found[:2]


class Layout(NamedTuple):
    """Offsets are into the block of a store.

    `externs` is where imports begin; `where` has the extern of each source that a step imports.
    `extras` are host functions that the host itself calls, made before all steps; `called_at` has
    their externs. `moved` says which export
    stands for a function that a generated module makes. `flags` is the memory of flags, made by
    the first step, if adapters need one.
    """

    bytes: int
    externs: int
    steps: tuple[Step, ...]
    where: dict[CoreSource, int]
    names: Names
    extras: tuple[HostFunctionAt, ...]
    called_at: dict[CoreSource, int]
    moved: dict[CoreSource, FromInstance]
    flags: FromInstance | None


def _function(slot: int, name: str) -> FromInstance:
    return FromInstance(slot, name, ExternKind.FUNCTION)


def make_layout(
    steps: list[StepInput],
    template_of: Callable[[CoreSource], FunctionTemplate],
    *,
    called: Iterable[CoreSource],
    moved: dict[CoreSource, FromInstance],
    flags: FromInstance | None,
) -> Layout:
    """Lay out all steps, in their order; the core instance in `slot` is that of the block.

    `called` are the core functions that the host calls.
    """
    offset = -(-INSTANCE_BYTES * len(steps) // EXTERN_BYTES) * EXTERN_BYTES
    externs = offset
    where: dict[CoreSource, int] = {}
    names = Names()
    laid: list[Step] = []
    for step in steps:
        lookups: list[Lookup] = []
        copies: list[Copy] = []
        functions: list[HostFunctionAt] = []
        waits: list[int] = []
        for index, source in enumerate(step.imports):
            at = offset + EXTERN_BYTES * index
            match source:
                case None:
                    waits.append(at)
                case FunctionTemplate():
                    functions.append(HostFunctionAt(*source, at + EXTERN_PAYLOAD_OFFSET))
                case _ if source in where:
                    copies.append(Copy(where[source], at))
                case FromInstance():
                    name, length = names.get(source.name)
                    lookups.append(Lookup(INSTANCE_BYTES * source.slot, name, length, at))
                    where[source] = at
                case _:
                    template = template_of(source)
                    functions.append(HostFunctionAt(*template, at + EXTERN_PAYLOAD_OFFSET))
                    where[source] = at
        laid.append(
            Step(
                INSTANCE_BYTES * step.slot,
                step.module,
                offset,
                len(step.imports),
                tuple(lookups),
                tuple(copies),
                tuple(functions),
                tuple(waits),
                None if step.entry is None else _function(step.slot, step.entry),
            )
        )
        offset += EXTERN_BYTES * len(step.imports)
    extras: list[HostFunctionAt] = []
    called_at: dict[CoreSource, int] = {}
    for source in dict.fromkeys(called):
        if isinstance(source, FromInstance) or source in moved:
            continue
        extras.append(HostFunctionAt(*template_of(source), offset + EXTERN_PAYLOAD_OFFSET))
        called_at[source] = offset
        offset += EXTERN_BYTES
    made = tuple(extras)
    return Layout(offset, externs, tuple(laid), where, names, made, called_at, moved, flags)
