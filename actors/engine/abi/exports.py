"""Generates the two halves of a call into the guest: storing arguments, loading the result."""

from collections.abc import Callable
from typing import Any, NamedTuple

from actors.engine.abi.decode import Decoder
from actors.engine.abi.encode import Encoder
from actors.engine.abi.layout import Layout
from actors.engine.abi.runtime import NAMESPACE
from actors.engine.abi.signature import contains, is_indirect, is_spilled, size_of
from actors.engine.abi.source import Source, unpacking
from wit.binary.definitions import StringEncoding
from wit.types import Borrow, FunctionType, TupleType

__all__ = ["ExportAdapter", "generate_export"]


class ExportAdapter(NamedTuple):
    """`store(m, f, slots, *arguments)` and `load(m, f, slots)`.

    `slots` is a writable buffer of one 16-byte slot per core value: the arguments before the call,
    the result in the first one after it.
    """

    store: Callable[..., None]
    load: Callable[..., Any]
    borrows: bool
    """Whether arguments hold borrowed handles, so that the call needs a frame."""


def generate_export(type_: FunctionType, encoding: StringEncoding, *, title: str) -> ExportAdapter:
    """Generate both halves for one function type, as the host calls it."""
    source = Source(dict(NAMESPACE))
    lines = [
        *_store(type_, source, Encoder(source, encoding)),
        *_load(type_, source, Decoder(source, encoding)),
    ]
    store, load = source.build(lines, "store", "load", title=title)
    borrows = any(contains(parameter.type, (Borrow,)) for parameter in type_.parameters)
    return ExportAdapter(store, load, borrows)


def _store(type_: FunctionType, source: Source, encoder: Encoder) -> list[str]:
    types = [parameter.type for parameter in type_.parameters]
    names = [f"p{index}" for index in range(len(types))]
    lines = [f"def store({', '.join(['m', 'f', 'slots', *names])}):"]
    flat = not is_spilled(type_)
    leaves = [
        leaf
        for part, name in zip(types, names, strict=True)
        for leaf in encoder.value(part, name, flat=flat)
    ]
    if not types:
        return [*lines, "    pass"]
    if flat:
        layout = Layout(flat=True, writing=True)
        for part in types:
            layout.add(part)
        pack = source.constant("P", layout.format().pack_into)
        return [*lines, f"    {pack}(slots, 0, {', '.join(leaves)})"]
    together = TupleType(tuple(types))
    size = size_of(together)
    layout = Layout(flat=False, writing=True)
    layout.add(together)
    pack = source.constant("P", layout.format(size.bytes).pack)
    store_pointer = source.constant("P", _pointer_format().pack_into)
    return [
        *lines,
        f"    data = {pack}({', '.join(leaves)})",
        f"    {store_pointer}(slots, 0, m.put_items(data, 1, {size.alignment})[0])",
    ]


def _load(type_: FunctionType, source: Source, decoder: Decoder) -> list[str]:
    lines = ["def load(m, f, slots):"]
    if type_.result is None:
        return [*lines, "    return None"]
    if not is_indirect(type_):
        layout = Layout(flat=True, writing=False)
        layout.add(type_.result)
        names = source.leaf_names(layout)
        unpack = source.constant("U", layout.format(16).unpack_from)
        lines.append(f"    {unpacking(names, f'{unpack}(slots)')}")
        return [*lines, f"    return {decoder.all([type_.result], names, flat=True)[0]}"]
    size = size_of(type_.result)
    layout = Layout(flat=False, writing=False)
    layout.add(type_.result)
    names = source.leaf_names(layout)
    unpack = source.constant("U", layout.format(size.bytes).unpack)
    pointer = source.constant("U", _pointer_format().unpack_from)
    span = f"m.span({pointer}(slots)[0], 1, {size.bytes}, {size.alignment})"
    lines.append(f"    {unpacking(names, f'{unpack}({span})')}")
    return [*lines, f"    return {decoder.all([type_.result], names, flat=False)[0]}"]


def _pointer_format() -> Any:
    layout = Layout(flat=True, writing=False)
    layout.leaf("I", 4, 4)
    return layout.format()
