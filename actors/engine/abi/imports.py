"""Generates callbacks through which a guest calls an imported function.

Callbacks have wasmtime's unchecked signature `(environment, caller, slots, count)` and return None
or a trap. `slots` is an address: the arguments before, the results after.

Names that generated code finds in its namespace, given by the caller of `generate_import`:
`instances` (environment to store), `target(data, *arguments)`, `fail(environment, error)`,
`slot_buffer(count)` (address to writable buffer), `cannot_leave()`; and for blocking imports
`begin(store, awaitable)` (whether it is done, and the result) and `status_at(address)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from actors.engine.abi.decode import Decoder
from actors.engine.abi.encode import Encoder
from actors.engine.abi.layout import SLOT_BYTES, Layout
from actors.engine.abi.runtime import NAMESPACE
from actors.engine.abi.signature import (
    contains,
    core_signature,
    is_indirect,
    is_spilled,
    needs_memory,
    size_of,
)
from actors.engine.abi.source import Source, unpacking
from actors.engine.entering import MAY_NOT_LEAVE
from actors.engine.plan.model import CanonicalContext
from wit.types import Borrow, FunctionType, Own, TupleType

__all__ = ["BlockingAdapter", "generate_blocking", "generate_import"]


class BlockingAdapter(NamedTuple):
    """Both halves of a blocking import.

    `start` lifts the arguments and begins; its core results are a status (0: done, the results
    follow; 1: wait, then call `finish`) and the results. `finish` takes nothing and lowers the
    result. Lifting happens once, as it takes own handles out of the guest's table.
    """

    start: Callable[..., Any]
    finish: Callable[..., Any]


class _ImportWriter:
    def __init__(
        self,
        index: int,
        type_: FunctionType,
        context: CanonicalContext,
        namespace: dict[str, Any],
    ) -> None:
        self.index = index
        self.component = context.instance
        self.type = type_
        self.source = Source({**NAMESPACE, **namespace})
        self.decoder = Decoder(self.source, context.encoding)
        self.encoder = Encoder(self.source, context.encoding)
        self.parameters = [parameter.type for parameter in type_.parameters]
        self.spilled = is_spilled(type_)
        self.indirect = is_indirect(type_)
        self.borrows = any(contains(part, (Borrow,)) for part in self.parameters)
        handles = any(contains(part, (Own, Borrow)) for part in (*self.parameters, type_.result))
        self.needs_context = handles or needs_memory(type_, lowered=True).memory
        self.slot_count = len(core_signature(type_, lowered=True).parameters)

    def head(self, name: str) -> list[str]:
        """Return the start of a callback: instance `i`, context `m`, frame `f`."""
        lines = [
            f"def {name}(environment, caller, slots, count):",
            "    try:",
            "        i = instances[environment]",
        ]
        if self.needs_context:
            lines.append(f"        m = i.lowerings[{self.index}] or i.lowering({self.index})")
        else:
            lines.append("        m = None")
        return lines

    def check_may_leave(self) -> list[str]:
        """Return lines that refuse calls by an allocator or post-return."""
        return [f"        if i.flags[{self.component}] & {MAY_NOT_LEAVE}: cannot_leave()"]

    def arguments(self) -> tuple[list[str], list[str], str | None]:
        """Return lines that read the slots, an expression per argument, and the result pointer."""
        if not self.slot_count:
            return [], [], None
        layout = Layout(flat=True, writing=False)
        if self.spilled:
            layout.leaf("I", 4, 4)
        else:
            for part in self.parameters:
                layout.add(part)
        if self.indirect:
            layout.leaf("I", 4, 4)
        names = self.source.leaf_names(layout)
        size = SLOT_BYTES * self.slot_count
        unpack = self.source.constant("U", layout.format(size).unpack_from)
        buffer = self.source.constant("B", self.source.namespace["slot_buffer"](self.slot_count))
        lines = [f"        {unpacking(names, f'{unpack}({buffer}(slots))')}"]
        pointer = names.pop() if self.indirect else None
        if not self.spilled:
            return lines, self.decoder.all(self.parameters, names, flat=True), pointer
        together = TupleType(tuple(self.parameters))
        bytes_, alignment = size_of(together)
        inner = Layout(flat=False, writing=False)
        inner.add(together)
        inner_names = self.source.leaf_names(inner)
        read = self.source.constant("U", inner.format(bytes_).unpack)
        span = f"m.span({names[0]}, 1, {bytes_}, {alignment})"
        lines.append(f"        {unpacking(inner_names, f'{read}({span})')}")
        return lines, self.decoder.all(self.parameters, inner_names, flat=False), pointer

    def store_result(self, pointer: str | None, *, at: int) -> list[str]:
        """Return lines that lower the result `r`, to slot `at` if it is direct."""
        result = self.type.result
        if result is None:
            return []
        layout = Layout(flat=not self.indirect, writing=True)
        layout.add(result)
        leaves = ", ".join(self.encoder.value(result, "r", flat=not self.indirect))
        if self.indirect:
            size = size_of(result)
            pack = self.source.constant("P", layout.format(size.bytes).pack)
            return [f"        m.write({pointer}, {pack}({leaves}), {size.alignment})"]
        pack = self.source.constant("P", layout.format().pack_into)
        buffer = self.source.constant("B", self.source.namespace["slot_buffer"](at + 1))
        return [f"        {pack}({buffer}(slots), {SLOT_BYTES * at}, {leaves})"]

    def tail(self) -> list[str]:
        """Return the end of a callback."""
        return [
            "    except BaseException as error:",
            "        return fail(environment, error)",
        ]


def generate_import(
    index: int,
    type_: FunctionType,
    context: CanonicalContext,
    namespace: dict[str, Any],
    *,
    title: str,
) -> Callable[..., Any]:
    """Generate the callback of an import that does not block, number `index` of the plan."""
    writer = _ImportWriter(index, type_, context, namespace)
    reading, arguments, pointer = writer.arguments()
    lines = [*writer.head("lower"), *writer.check_may_leave()]
    lines += ["        f = []"] if writer.borrows else ["        f = None"]
    lines += reading
    call = f"target({', '.join(['i.data', *arguments])})"
    lines.append(f"        r = {call}" if type_.result is not None else f"        {call}")
    if writer.borrows:
        lines.append("        m.give_back(f)")
    lines += writer.store_result(pointer, at=0)
    lines += writer.tail()
    callback: Callable[..., Any] = writer.source.build(lines, "lower", title=title)[0]
    return callback


def generate_blocking(
    index: int,
    type_: FunctionType,
    context: CanonicalContext,
    namespace: dict[str, Any],
    *,
    title: str,
) -> BlockingAdapter:
    """Generate both halves of an import that may block, number `index` of the plan."""
    writer = _ImportWriter(index, type_, context, namespace)
    status = writer.source.constant("S", writer.source.namespace["status_at"])
    reading, arguments, pointer = writer.arguments()
    lines = [*writer.head("start"), *writer.check_may_leave()]
    lines += ["        f = []" if writer.borrows else "        f = None", *reading]
    lines += [
        f"        begun = target({', '.join(['i.data', *arguments])})",
        "        done, r = begin(i, begun)",
        "        if not done:",
        f"            i.suspended = (m, f, {pointer})",
        f"            {status}(slots).value = 1",
        "            return None",
    ]
    if writer.borrows:
        lines.append("        m.give_back(f)")
    lines += writer.store_result(pointer, at=1)
    lines += [f"        {status}(slots).value = 0", *writer.tail()]
    lines += writer.head("finish")
    lines += ["        m, f, pointer = i.suspended", "        r = i.take_result()"]
    if writer.borrows:
        lines.append("        m.give_back(f)")
    lines += writer.store_result("pointer", at=0)
    lines += writer.tail()
    start, finish = writer.source.build(lines, "start", "finish", title=title)
    return BlockingAdapter(start, finish)
