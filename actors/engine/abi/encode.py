"""Generates expressions that turn Python values into leaves: lowering.

Generated code sees `m` and `f` as in `actors.engine.abi.decode`.
"""

from typing import assert_never

from actors.engine.abi.layout import Layout, has_raw_payload
from actors.engine.abi.runtime import flags_writer
from actors.engine.abi.signature import CODE_BYTES, SCALAR_CODES, alternatives, size_of
from actors.engine.abi.source import Source
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

__all__ = ["Encoder"]

_TEXT_WRITERS = {
    StringEncoding.UTF8: "put_utf8",
    StringEncoding.UTF16: "put_utf16",
    StringEncoding.LATIN1_UTF16: "put_latin1",
}


class Encoder:
    """Lowering for one string encoding. Resources of the guest get unwrapped."""

    def __init__(self, source: Source, encoding: StringEncoding) -> None:
        self._source = source
        self._encoding = encoding

    def value(self, type_: Type, value: str, *, flat: bool) -> list[str]:
        """Return expressions that together give all leaves; starred ones give several."""
        match type_:
            case Primitive.BOOL:
                return [f"bool({value})"]
            case Primitive.CHAR:
                return [f"code_point({value})"]
            case Primitive.STRING:
                return [f"*m.{_TEXT_WRITERS[self._encoding]}({value})"]
            case Primitive():
                return [value]
            case EnumType():
                numbers = {name: index for index, name in enumerate(type_.cases)}
                return [f"{self._source.constant('N', numbers)}[{value}]"]
            case FlagsType():
                writer = self._source.constant("W", flags_writer(type_.labels))
                return [f"*{writer}({value})"]
            case RecordType():
                return [
                    leaf
                    for field in type_.fields
                    for leaf in self.value(field.type, f"{value}[{field.name!r}]", flat=flat)
                ]
            case TupleType():
                return [
                    leaf
                    for index, part in enumerate(type_.elements)
                    for leaf in self.value(part, f"{value}[{index}]", flat=flat)
                ]
            case VariantType() | OptionType() | ResultType():
                return [f"*{self._case_writer(type_, flat=flat)}(m, f, {value})"]
            case ListType():
                return [self._list(type_.element, value)]
            case MapType():
                pairs = TupleType((type_.key, type_.value))
                return [self._list(pairs, f"{value}.items()")]
            case FixedListType():
                return [f"{self._fixed_list(type_, flat=flat)}(m, f, {value})"]
            case Own() | Borrow():
                return [self._handle(type_, value)]
            case FutureType() | StreamType() | ErrorContextType():
                raise AssertionError("refused by the planner")
            case _:
                assert_never(type_)

    def _handle(self, type_: Own | Borrow, value: str) -> str:
        id_ = type_.resource
        assert isinstance(id_, ResourceId)
        resource = self._source.constant("R", id_)
        own = isinstance(type_, Own)
        if id_.owner is not None:
            value = f"m.{'unwrap_own' if own else 'unwrap_borrow'}({resource}, {value})"
        if own:
            return f"m.give_own({resource}, {value})"
        return f"m.give_borrow({resource}, {value}, f)"

    def _case_writer(self, type_: VariantType | OptionType | ResultType, *, flat: bool) -> str:
        def write(name: str) -> list[str]:
            is_option = isinstance(type_, OptionType)
            lines = [f"def {name}(m, f, value):"]
            if not is_option:
                lines.append("    tag, payload = value")
            for index, case in enumerate(alternatives(type_)):
                if is_option:
                    condition = "value is None" if index == 0 else "value is not None"
                else:
                    condition = f"tag == {case.name!r}"
                payload = "value[0]" if is_option else "payload"
                leaves = self._case_leaves(type_, case.type, payload, flat=flat)
                lines.append(f"    if {condition}:")
                lines.append(f"        return ({', '.join([str(index), *leaves])},)")
            return [*lines, "    bad_value(value)"]

        return self._source.helper(("write_case", type_, flat), write)

    def _case_leaves(
        self,
        type_: VariantType | OptionType | ResultType,
        payload_type: Type | None,
        payload: str,
        *,
        flat: bool,
    ) -> list[str]:
        if payload_type is None:
            # The leaves of the cases that have a payload are there all the same.
            layout = Layout(flat=flat, writing=True)
            layout.add(type_)
            return ["b''" if leaf.is_raw else "0" for leaf in layout.leaves[1:]]
        leaves = self.value(payload_type, payload, flat=flat)
        if not has_raw_payload(type_):
            return leaves
        layout = Layout(flat=flat, writing=True)
        layout.add(payload_type)
        pack = self._source.constant("P", layout.format().pack)
        return [f"{pack}({', '.join(leaves)})"]

    def _list(self, element: Type, value: str) -> str:
        if element is Primitive.U8:
            return f"*m.put_bytes({value})"
        if isinstance(element, Primitive) and element in _NUMBERS:
            code = SCALAR_CODES[element]
            return f"*m.put_numbers({value}, {code!r}, {CODE_BYTES[code]})"
        alignment = size_of(element).alignment

        def write(name: str) -> list[str]:
            return [
                f"def {name}(m, f, items):",
                f"    raw = {self._joined(element, flat=False)}",
                f"    return m.put_items(raw, len(items), {alignment})",
            ]

        return f"*{self._source.helper(('write_list', element, False), write)}(m, f, {value})"

    def _joined(self, element: Type, *, flat: bool) -> str:
        layout = Layout(flat=flat, writing=True)
        layout.add(element)
        size = layout.bytes if flat else size_of(element).bytes
        pack = self._source.constant("P", layout.format(size).pack)
        leaves = ", ".join(self.value(element, "item", flat=flat))
        return f"b''.join([{pack}({leaves}) for item in items])"

    def _fixed_list(self, type_: FixedListType, *, flat: bool) -> str:
        def write(name: str) -> list[str]:
            return [
                f"def {name}(m, f, items):",
                f"    if len(items) != {type_.length}:",
                "        bad_value(items)",
                f"    return {self._joined(type_.element, flat=flat)}",
            ]

        return self._source.helper(("write_array", type_, flat), write)


_NUMBERS = frozenset(SCALAR_CODES) - {Primitive.BOOL, Primitive.CHAR}
