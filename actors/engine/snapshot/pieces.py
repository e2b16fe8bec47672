"""What the state of a component consists of, and whether all of it can be saved."""

import hashlib
from typing import NamedTuple

from actors.engine.core.module import ExternKind
from actors.engine.errors import SnapshotRefusedError
from actors.engine.plan.model import FromInstance
from actors.engine.preparation import Prepared

__all__ = ["Piece", "Pieces", "check_saveable", "layout_digest", "pieces_of"]


class Piece(NamedTuple):
    """A memory, table or global by the core instance that defines it."""

    slot: int
    name: str
    kind: ExternKind

    def __str__(self) -> str:
        shown = self.name.lstrip("\0")
        return f"{self.kind.value} {shown!r} of core instance {self.slot}"


class Pieces(NamedTuple):
    """All state of a component, and the exported functions of each core instance."""

    memories: tuple[Piece, ...]
    globals: tuple[Piece, ...]
    tables: tuple[Piece, ...]
    functions: dict[int, tuple[str, ...]]
    again: tuple[FromInstance, ...]
    """What drops segments again in a restored instance."""
    refused: tuple[FromInstance, ...]
    """The globals that are set when a memory does not grow."""


def pieces_of(prepared: Prepared) -> Pieces:
    """Return the state of a component."""
    found: dict[ExternKind, list[Piece]] = {kind: [] for kind in ExternKind}
    functions: dict[int, tuple[str, ...]] = {}
    again: list[FromInstance] = []
    refused: list[FromInstance] = []
    for step in prepared.plan.steps:
        module = prepared.modules[step.module]
        for each in module.state:
            found[each.kind].append(Piece(step.slot, each.name, each.kind))
        if module.functions:
            functions[step.slot] = module.functions
        if module.again is not None:
            again.append(FromInstance(step.slot, module.again, ExternKind.FUNCTION))
        if module.refused is not None:
            refused.append(FromInstance(step.slot, module.refused, ExternKind.GLOBAL))
    return Pieces(
        tuple(found[ExternKind.MEMORY]),
        tuple(found[ExternKind.GLOBAL]),
        tuple(found[ExternKind.TABLE]),
        functions,
        tuple(again),
        tuple(refused),
    )


def layout_digest(prepared: Prepared) -> str:
    """Return a digest of everything that an image names things by."""
    plan = prepared.plan
    described = [
        [
            (step.slot, each.name, each.kind.value, each.type)
            for step in plan.steps
            for each in prepared.modules[step.module].state
        ],
        [
            (each.id.index, each.id.owner, each.name.interface, each.name.name)
            for each in plan.resources
        ],
        plan.instance_count,
    ]
    return hashlib.sha256(repr(described).encode()).hexdigest()


def check_saveable(prepared: Prepared) -> None:
    """Refuse components with state that nothing outside can see.

    Raises:
        SnapshotRefusedError: with the module and the reason.
    """
    for index, module in enumerate(prepared.modules):
        if module.hides_drops:
            raise SnapshotRefusedError(
                f"core module {index} may drop passive segments by code that cannot be followed"
            )
