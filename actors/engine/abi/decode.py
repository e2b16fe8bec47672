"""Generates expressions that build Python values from leaves: lifting.

Generated code sees `m`, the canonical context (`actors.engine.abi.contract.Memory`), and `f`, the
frame of the call that borrowed handles belong to.
"""

from collections.abc import Iterator
from typing import assert_never

from actors.engine.abi.layout import Layout, has_raw_payload
from actors.engine.abi.runtime import flags_reader
from actors.engine.abi.signature import (
    CODE_BYTES,
    SCALAR_CODES,
    alternatives,
    flag_words,
    size_of,
)
from actors.engine.abi.source import Source, unpacking
from actors.engine.plan.model import ResourceId
from wit.binary.definitions import StringEncoding
from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
    FixedListType,
    FlagsType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)

__all__ = ["Decoder"]

_TEXT_READERS = {
    StringEncoding.UTF8: "text_utf8",
    StringEncoding.UTF16: "text_utf16",
    StringEncoding.LATIN1_UTF16: "text_latin1",
}

_INLINE_DEPTH_MAX = 8
"""Deeper values are built by helpers: Python limits how deep expressions nest."""


class Decoder:
    """Lifting for one string encoding. Resources of the guest get wrapped for the host."""

    def __init__(self, source: Source, encoding: StringEncoding) -> None:
        self._source = source
        self._encoding = encoding
        self._depth = 0

    def all(self, types: list[Type], names: list[str], *, flat: bool) -> list[str]:
        """Return an expression per value."""
        leaves = iter(names)
        return [self.value(type_, leaves, flat=flat) for type_ in types]

    def value(self, type_: Type, leaves: Iterator[str], *, flat: bool) -> str:
        """Return the expression of one value, taking its leaves."""
        if self._depth == _INLINE_DEPTH_MAX:
            return self._outlined(type_, leaves, flat=flat)
        self._depth += 1
        try:
            return self._inline(type_, leaves, flat=flat)
        finally:
            self._depth -= 1

    def _inline(self, type_: Type, leaves: Iterator[str], *, flat: bool) -> str:
        match type_:
            case Primitive.BOOL:
                return f"({next(leaves)} != 0)"
            case Primitive.CHAR:
                return f"character({next(leaves)})"
            case Primitive.STRING:
                return f"m.{_TEXT_READERS[self._encoding]}({next(leaves)}, {next(leaves)})"
            case Primitive():
                return next(leaves)
            case EnumType():
                cases = self._source.constant("E", type_.cases)
                return f"pick({cases}, {next(leaves)})"
            case FlagsType():
                words = [next(leaves) for _ in range(flag_words(len(type_.labels)))]
                reader = self._source.constant("F", flags_reader(type_.labels))
                return f"{reader}({', '.join(words)})"
            case RecordType():
                fields = [
                    f"{field.name!r}: {self.value(field.type, leaves, flat=flat)}"
                    for field in type_.fields
                ]
                return "{" + ", ".join(fields) + "}"
            case TupleType():
                parts = [self.value(part, leaves, flat=flat) for part in type_.elements]
                return "(" + ", ".join(parts) + ",)"
            case VariantType() | OptionType() | ResultType():
                return self._cases(type_, leaves, flat=flat)
            case ListType():
                return self._list(type_.element, next(leaves), next(leaves))
            case MapType():
                pairs = TupleType((type_.key, type_.value))
                return f"dict({self._list(pairs, next(leaves), next(leaves))})"
            case FixedListType():
                return f"{self._fixed_list(type_, flat=flat)}(m, f, {next(leaves)})"
            case Own() | Borrow():
                return self._handle(type_, next(leaves))
            case FutureType() | StreamType() | ErrorContextType():
                raise AssertionError("refused by the planner")
            case _:
                assert_never(type_)

    def _handle(self, type_: Own | Borrow, index: str) -> str:
        id_ = type_.resource
        assert isinstance(id_, ResourceId)
        resource = self._source.constant("R", id_)
        if isinstance(type_, Own):
            value = f"m.take_own({resource}, {index})"
            wrap = "wrap_own"
        else:
            value = f"m.lend({resource}, {index}, f)"
            wrap = "wrap_borrow"
        if id_.owner is not None:
            return f"m.{wrap}({resource}, {value}, f)"
        return value

    def _cases(
        self,
        type_: VariantType | OptionType | ResultType,
        leaves: Iterator[str],
        *,
        flat: bool,
    ) -> str:
        tag = next(leaves)
        if has_raw_payload(type_):
            return f"{self._case_reader(type_, flat=flat)}(m, f, {tag}, {next(leaves)})"
        cases = alternatives(type_)
        payload = next((case.type for case in cases if case.type is not None), None)
        inner = None if payload is None else self.value(payload, leaves, flat=flat)
        if isinstance(type_, OptionType):
            return f"(None if {tag} == 0 else ({inner},) if {tag} == 1 else bad_case({tag}))"
        if inner is None:
            names = self._source.constant("C", tuple((case.name, None) for case in cases))
            return f"pick({names}, {tag})"
        carrier = next(index for index, case in enumerate(cases) if case.type is not None)
        bare = self._source.constant("C", tuple((case.name, None) for case in cases))
        return (
            f"(({cases[carrier].name!r}, {inner}) if {tag} == {carrier} else pick({bare}, {tag}))"
        )

    def _case_reader(self, type_: VariantType | OptionType | ResultType, *, flat: bool) -> str:
        def write(name: str) -> list[str]:
            lines = [f"def {name}(m, f, tag, raw):"]
            for index, case in enumerate(alternatives(type_)):
                lines.append(f"    if tag == {index}:")
                if case.type is None:
                    lines.append(f"        return ({case.name!r}, None)")
                    continue
                names, read = self._reader([case.type], flat=flat)
                value = self._fresh_depth([case.type], names, flat=flat)[0]
                lines.append(f"        {unpacking(names, f'{read}(raw)')}")
                lines.append(f"        return ({case.name!r}, {value})")
            return [*lines, "    bad_case(tag)"]

        return self._source.helper(("read_case", type_, flat), write)

    def _reader(self, types: list[Type], *, flat: bool) -> tuple[list[str], str]:
        layout = Layout(flat=flat, writing=False)
        for type_ in types:
            layout.add(type_)
        names = self._source.leaf_names(layout)
        return names, self._source.constant("U", layout.format().unpack_from)

    def _fresh_depth(self, types: list[Type], names: list[str], *, flat: bool) -> list[str]:
        depth, self._depth = self._depth, 0
        try:
            return self.all(types, names, flat=flat)
        finally:
            self._depth = depth

    def _outlined(self, type_: Type, leaves: Iterator[str], *, flat: bool) -> str:
        layout = Layout(flat=flat, writing=False)
        layout.add(type_)
        given = [next(leaves) for _ in layout.leaves]

        def write(name: str) -> list[str]:
            names = self._source.leaf_names(layout)
            value = self._fresh_depth([type_], names, flat=flat)[0]
            return [f"def {name}(m, f, {', '.join(names)}):", f"    return {value}"]

        helper = self._source.helper(("read", type_, flat), write)
        return f"{helper}(m, f, {', '.join(given)})"

    def _list(self, element: Type, pointer: str, length: str) -> str:
        if element is Primitive.U8:
            return f"m.read_bytes({pointer}, {length})"
        if isinstance(element, Primitive) and element in _NUMBERS:
            code = SCALAR_CODES[element]
            return f"m.numbers({pointer}, {length}, {code!r}, {CODE_BYTES[code]})"
        size = size_of(element)

        def write(name: str) -> list[str]:
            names, items = self._items(element, "raw", flat=False)
            return [
                f"def {name}(m, f, pointer, length):",
                f"    raw = m.span(pointer, length, {size.bytes}, {size.alignment})",
                f"    return [{items} for {', '.join(names)}, in {self._iterate(element)}(raw)]",
            ]

        helper = self._source.helper(("read_list", element, False), write)
        return f"{helper}(m, f, {pointer}, {length})"

    def _items(self, element: Type, _raw: str, *, flat: bool) -> tuple[list[str], str]:
        layout = Layout(flat=flat, writing=False)
        layout.add(element)
        names = self._source.leaf_names(layout)
        return names, self._fresh_depth([element], names, flat=flat)[0]

    def _iterate(self, element: Type, *, flat: bool = False) -> str:
        layout = Layout(flat=flat, writing=False)
        layout.add(element)
        size = layout.bytes if flat else size_of(element).bytes
        return self._source.constant("I", layout.format(size).iter_unpack)

    def _fixed_list(self, type_: FixedListType, *, flat: bool) -> str:
        def write(name: str) -> list[str]:
            names, items = self._items(type_.element, "raw", flat=flat)
            iterate = self._iterate(type_.element, flat=flat)
            body = f"[{items} for {', '.join(names)}, in {iterate}(raw)]"
            if type_.element is Primitive.U8:
                body = f"bytes({body})"
            return [f"def {name}(m, f, raw):", f"    return {body}"]

        return self._source.helper(("read_array", type_, flat), write)


_NUMBERS = frozenset(SCALAR_CODES) - {Primitive.BOOL, Primitive.CHAR}
