"""Saving an idle instance."""

import struct
from typing import Any, Final

from actors.engine import bindings
from actors.engine.bindings import VALUE_PAYLOAD_OFFSET
from actors.engine.errors import SnapshotRefusedError
from actors.engine.handles import HandleTable
from actors.engine.snapshot.baseline import Baseline, View
from actors.engine.snapshot.image import (
    Binding,
    FunctionName,
    GlobalImage,
    HandleImage,
    HandleTableImage,
    Image,
    MemoryImage,
    TableImage,
)
from actors.engine.snapshot.pages import changed_pages, pack
from actors.engine.snapshot.pieces import Piece, Pieces
from actors.engine.snapshot.references import (
    FUNCTION_KIND,
    IS_NULL,
    Anchors,
    reference_kind_name,
)

__all__ = ["NUMBER_BYTES", "save"]

NUMBER_BYTES: Final = {0: 4, 1: 8, 2: 4, 3: 8, 4: 16}
"""How many bytes a number has, by its kind in the C API: i32, i64, f32, f64, v128."""


def save(
    view: View,
    tables: list[HandleTable],
    baseline: Baseline,
    pieces: Pieces,
    binding: Binding,
) -> tuple[Image, list[Any]]:
    """Return the image of a store, and the host's objects that its handles stand for, in order.

    Raises:
        SnapshotRefusedError: it holds what cannot be saved.
    """
    handles, objects = _handles(tables)
    sides = view, baseline, baseline.anchors(view)
    image = Image(
        binding=binding,
        memories=tuple(_memory(view, baseline, piece) for piece in pieces.memories),
        globals=tuple(filter(None, (_global(*sides, piece) for piece in pieces.globals))),
        tables=tuple(filter(None, (_table(*sides, piece) for piece in pieces.tables))),
        handles=handles,
    )
    return image, objects


def _memory(view: View, baseline: Baseline, piece: Piece) -> MemoryImage:
    start, size = view.memory(piece)
    fresh, fresh_size = baseline.view.memory(piece)
    pages = changed_pages(start, size, fresh, fresh_size)
    return MemoryImage(
        slot=piece.slot,
        name=piece.name,
        size=size,
        pages=struct.pack(f"<{len(pages)}I", *pages),
        data=pack(start, size, pages),
    )


def _global(view: View, baseline: Baseline, anchors: Anchors, piece: Piece) -> GlobalImage | None:
    value, fresh = view.read_global(piece), baseline.globals[piece]
    kind = value[0]
    size = NUMBER_BYTES.get(kind)
    if size is not None:
        number = value[VALUE_PAYLOAD_OFFSET : VALUE_PAYLOAD_OFFSET + size]
        if number == fresh[VALUE_PAYLOAD_OFFSET : VALUE_PAYLOAD_OFFSET + size]:
            return None
        return GlobalImage(slot=piece.slot, name=piece.name, kind=kind, value=number)
    pointer = _pointer(value)
    if kind != FUNCTION_KIND:
        bindings.value_unroot(view.value_address)
        if pointer:
            raise SnapshotRefusedError(f"{piece} holds {reference_kind_name(kind)}")
        # It is null here; in a new instance it may not be.
        return GlobalImage(slot=piece.slot, name=piece.name, kind=kind)
    place = anchors.place(pointer)
    name = None if place == IS_NULL else baseline.name_of(place, str(piece))
    return GlobalImage(slot=piece.slot, name=piece.name, kind=kind, function=name)


def _pointer(value: bytes) -> int:
    """Return what a reference points to, 0 for null."""
    owner = int.from_bytes(value[8:16], "little")
    return int.from_bytes(value[16:24], "little") or 1 if owner else 0


def _table(view: View, baseline: Baseline, anchors: Anchors, piece: Piece) -> TableImage | None:
    pointers = view.table(piece)
    size = len(pointers)
    fresh_size = baseline.table_size(piece)
    changes = baseline.changes(piece, pointers, anchors)
    if not changes and size == fresh_size:
        return None
    changed: list[tuple[int, FunctionName | None]] = [
        (index, None if place == IS_NULL else baseline.name_of(place, str(piece)))
        for index, place in changes
    ]
    return TableImage(slot=piece.slot, name=piece.name, size=size, changed=tuple(changed))


def _handles(tables: list[HandleTable]) -> tuple[tuple[HandleTableImage, ...], list[Any]]:
    objects: list[Any] = []
    images: list[HandleTableImage] = []
    for table in tables:
        entries: list[HandleImage | None] = []
        for handle in table.entries:
            if handle is None:
                entries.append(None)
                continue
            if handle.scope is not None or handle.lends:
                raise SnapshotRefusedError("a handle is borrowed: the instance is in a call")
            if handle.resource.owner is None:
                entries.append(HandleImage(handle.resource.index, len(objects)))
                objects.append(handle.representation)
            else:
                entries.append(HandleImage(handle.resource.index, handle.representation))
        images.append(HandleTableImage(tuple(entries), tuple(table.free)))
    return tuple(images), objects
