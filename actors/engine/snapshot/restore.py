"""Making a new instance into a saved one. Its start functions have not run: they ran before."""

import ctypes
from collections.abc import Sequence
from typing import Any

from actors.engine import bindings
from actors.engine.bindings import VALUE_BYTES, VALUE_PAYLOAD_OFFSET
from actors.engine.core.module import ExternKind
from actors.engine.errors import SnapshotUnusableError
from actors.engine.handles import Handle, HandleTable
from actors.engine.limits import HANDLES_MAX
from actors.engine.plan.model import ResourcePlan
from actors.engine.snapshot.baseline import View
from actors.engine.snapshot.image import (
    FunctionName,
    GlobalImage,
    HandleTableImage,
    Image,
    MemoryImage,
    TableImage,
)
from actors.engine.snapshot.pages import apply
from actors.engine.snapshot.pieces import Piece, Pieces
from actors.engine.snapshot.references import FUNCTION_KIND
from actors.engine.snapshot.save import NUMBER_BYTES

__all__ = ["restore", "restore_handles"]


def restore(view: View, image: Image, pieces: Pieces) -> None:
    """Write memories, globals and tables of `image` into a new store.

    Raises:
        SnapshotUnusableError: it does not fit; the store is of no use then.
    """
    _check_pieces(image, pieces)
    functions = _functions(view, image)
    for memory in image.memories:
        _memory(view, memory)
    for one in image.globals:
        _global(view, one, functions)
    for table in image.tables:
        _table(view, table, functions)


def _check_pieces(image: Image, pieces: Pieces) -> None:
    known = {*pieces.memories, *pieces.globals, *pieces.tables}
    for kind, saved in (
        (ExternKind.MEMORY, image.memories),
        (ExternKind.GLOBAL, image.globals),
        (ExternKind.TABLE, image.tables),
    ):
        for each in saved:
            if Piece(each.slot, each.name, kind) not in known:
                raise SnapshotUnusableError(
                    f"the component has no {kind.value} {each.name!r} in core instance {each.slot}"
                )


def _functions(view: View, image: Image) -> dict[FunctionName, bytes]:
    """Find all functions that are referred to, before tables change."""
    wanted = [one.function for one in image.globals]
    for table in image.tables:
        wanted += [name for _, name in table.changed]
    found: dict[FunctionName, bytes] = {}
    for name in wanted:
        if name is None or name in found:
            continue
        if name.element is None:
            address = view.address(name.slot, name.name, ExternKind.FUNCTION)
            payload = ctypes.string_at(address, VALUE_BYTES - VALUE_PAYLOAD_OFFSET)
            found[name] = bytes([FUNCTION_KIND]).ljust(VALUE_PAYLOAD_OFFSET, b"\0") + payload
            continue
        holder = view.address(name.slot, name.name, ExternKind.TABLE)
        if not bindings.table_get(view.context, holder, name.element, view.value_address):
            raise SnapshotUnusableError(f"table {name.name!r} has no element {name.element}")
        found[name] = view.value.raw
    return found


def _put(view: View, value: bytes) -> None:
    ctypes.memmove(view.value_address, value.ljust(VALUE_BYTES, b"\0"), VALUE_BYTES)


def _check(error: int | None, what: str) -> None:
    if error:
        raise SnapshotUnusableError(f"{what}: {bindings.take_error(error)}")


def _memory(view: View, image: MemoryImage) -> None:
    piece = Piece(image.slot, image.name, ExternKind.MEMORY)
    start, size = view.memory(piece)
    if image.size != size:
        memory = view.address(*piece)
        unit = 1 << bindings.memory_page_log2(view.context, memory)
        grown, rest = divmod(image.size - size, unit)
        if grown < 0 or rest:
            raise SnapshotUnusableError(f"{piece} of {size} bytes cannot become {image.size}")
        _check(
            bindings.memory_grow(view.context, memory, grown, view.value_address),
            f"{piece} cannot grow to {image.size} bytes",
        )
        start, size = view.memory(piece)
    apply(image, start)


def _global(view: View, image: GlobalImage, functions: dict[FunctionName, bytes]) -> None:
    piece = Piece(image.slot, image.name, ExternKind.GLOBAL)
    size = NUMBER_BYTES.get(image.kind)
    head = bytes([image.kind]).ljust(VALUE_PAYLOAD_OFFSET, b"\0")
    if size is not None and len(image.value) != size:
        raise SnapshotUnusableError(f"{piece} is saved with {len(image.value)} bytes, not {size}")
    # A reference without owner is null, so that no bytes at all are one.
    value = head + image.value if image.function is None else functions[image.function]
    address = view.address(*piece)
    _put(view, value)
    _check(bindings.global_set(view.context, address, view.value_address), str(piece))


def _table(view: View, image: TableImage, functions: dict[FunctionName, bytes]) -> None:
    piece = Piece(image.slot, image.name, ExternKind.TABLE)
    table = view.address(*piece)
    size = bindings.table_size(view.context, table)
    null = bytes([FUNCTION_KIND])
    if image.size < size:
        raise SnapshotUnusableError(f"{piece} of {size} elements cannot become {image.size}")
    if image.size > size:
        _put(view, null)
        previous = ctypes.c_uint64()
        error = bindings.table_grow(
            view.context,
            table,
            image.size - size,
            view.value_address,
            ctypes.addressof(previous),
        )
        _check(error, f"{piece} cannot grow to {image.size} elements")
    for index, name in image.changed:
        _put(view, null if name is None else functions[name])
        _check(
            bindings.table_set(view.context, table, index, view.value_address),
            f"element {index} of {piece}",
        )


def restore_handles(
    tables: list[HandleTable],
    images: tuple[HandleTableImage, ...],
    resources: tuple[ResourcePlan, ...],
    objects: Sequence[Any],
) -> None:
    """Fill the handle tables of a new store; `objects` are those that saving returned.

    Raises:
        SnapshotUnusableError: they do not fit.
    """
    if len(images) != len(tables):
        raise SnapshotUnusableError(f"{len(images)} handle tables, expected {len(tables)}")
    used = 0
    for table, image in zip(tables, images, strict=True):
        if not 1 <= len(image.entries) <= HANDLES_MAX + 1 or image.entries[0] is not None:
            raise SnapshotUnusableError(f"a handle table of {len(image.entries)} entries")
        vacant = {index for index, entry in enumerate(image.entries) if entry is None and index}
        if len(image.free) != len(vacant) or set(image.free) != vacant:
            raise SnapshotUnusableError("the free handles are not those without an entry")
        for entry in image.entries[1:]:
            if entry is None:
                table.entries.append(None)
                continue
            if not 0 <= entry.resource < len(resources):
                raise SnapshotUnusableError(f"a handle of resource type {entry.resource}")
            id_ = resources[entry.resource].id
            representation: Any = entry.representation
            if id_.owner is None:
                if entry.representation != used or used >= len(objects):
                    raise SnapshotUnusableError("handles and host objects do not fit each other")
                representation = objects[used]
                used += 1
            table.entries.append(Handle(id_, representation, None))
        table.free.extend(image.free)
    if used != len(objects):
        raise SnapshotUnusableError(f"{len(objects)} host objects for {used} handles")
