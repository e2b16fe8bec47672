"""Values from one component to another: in memory, one function per type, and as core values.

Both sides have the same type, so the layout is the same; only memories, encodings and handle tables
differ.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, assert_never, final

from actors.engine.abi.signature import (
    CODE_BYTES,
    SCALAR_CODES,
    align,
    alternatives,
    discriminant_code,
    flag_words,
    flatten,
    members,
    payload_size,
    size_of,
)
from actors.engine.adapters.checks import Cause, Side, allocator, require, span
from actors.engine.adapters.strings import string_copier
from actors.engine.adapters.text import Borrow as LendHandle
from actors.engine.adapters.text import Function, ModuleText
from actors.engine.adapters.text import Own as MoveHandle
from actors.engine.plan.model import ResourceId
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

__all__ = ["Translation"]

_LOADS: Final = {
    "B": "i32.load8_u", "b": "i32.load8_s", "H": "i32.load16_u", "h": "i32.load16_s",
    "I": "i32.load", "i": "i32.load", "Q": "i64.load", "q": "i64.load",
    "f": "f32.load", "d": "f64.load",
}  # fmt: skip
_STORES: Final = {
    "B": "i32.store8", "b": "i32.store8", "H": "i32.store16", "h": "i32.store16",
    "I": "i32.store", "i": "i32.store", "Q": "i64.store", "q": "i64.store",
    "f": "f32.store", "d": "f64.store",
}  # fmt: skip
_NARROWED: Final = {
    Primitive.U8: "(i32.and {} (i32.const 0xff))",
    Primitive.U16: "(i32.and {} (i32.const 0xffff))",
    Primitive.S8: "(i32.extend8_s {})",
    Primitive.S16: "(i32.extend16_s {})",
}
_PLAIN: Final = frozenset(SCALAR_CODES) - {Primitive.BOOL, Primitive.CHAR}
_VARIANTS = VariantType | OptionType | ResultType


class Place(NamedTuple):
    """Where a value lies on both sides: local variables holding addresses, and an offset."""

    source: str
    target: str
    offset: int

    def at(self, offset: int) -> "Place":
        """Return the place that many bytes further on."""
        return Place(self.source, self.target, self.offset + offset)


@final
class Translation:
    """One direction: from the memory and handles of `giver` to those of `taker`."""

    def __init__(self, module: ModuleText, giver: Side, taker: Side) -> None:
        self._module = module
        self._giver = giver
        self._taker = taker

    # Scalars, on the stack.

    def _checked(self, function: Function, type_: Type, value: str) -> str:
        """Return an expression for a scalar as it must be, given one for what the guest gave."""
        match type_:
            case Primitive.BOOL:
                return f"(i32.ne {value} (i32.const 0))"
            case Primitive.CHAR:
                return f"(call {self._character()} {value})"
            case Primitive():
                return _NARROWED.get(type_, "{}").format(value)
            case EnumType():
                return self._discriminant(function, value, len(type_.cases))
            case FlagsType():
                return _masked(value, len(type_.labels))
            case Own() | Borrow():
                return self._handle(type_, value)
            case _:
                raise AssertionError(type_)

    def _discriminant(self, function: Function, value: str, count: int) -> str:
        local = function.local("i32")
        function.add(
            f"(local.set {local} {value})",
            require(
                self._module,
                f"(i32.lt_u (local.get {local}) (i32.const {count}))",
                Cause.DISCRIMINANT,
            ),
        )
        return f"(local.get {local})"

    def _character(self) -> str:
        name, is_new = self._module.helper("character")
        if is_new:
            function = Function(name, "(param $c i32) (result i32)")
            function.add(
                require(
                    self._module,
                    "(i32.and (i32.lt_u (local.get $c) (i32.const 0x110000)) (i32.ne (i32.and"
                    " (local.get $c) (i32.const 0x1ff800)) (i32.const 0xd800)))",
                    Cause.CHARACTER,
                ),
                "(local.get $c)",
            )
            self._module.add(function)
        return name

    def _handle(self, type_: Own | Borrow, value: str) -> str:
        resource = type_.resource
        assert isinstance(resource, ResourceId)
        make = MoveHandle if isinstance(type_, Own) else LendHandle
        giver, taker = self._giver.context.instance, self._taker.context.instance
        return f"(call {self._module.imported(make(resource, giver, taker))} {value})"

    # In memory.

    def copy_at(self, function: Function, type_: Type, place: Place) -> None:
        """Write instructions that copy one value between the memories."""
        match type_:
            case Primitive.STRING:
                self._copy_pair(
                    function, place, string_copier(self._module, self._giver, self._taker)
                )
            case ListType():
                self._copy_pair(function, place, self._list_copier(type_.element))
            case MapType():
                pairs = TupleType((type_.key, type_.value))
                self._copy_pair(function, place, self._list_copier(pairs))
            case Primitive():
                self._copy_scalar(function, type_, place, SCALAR_CODES[type_])
            case EnumType():
                code = discriminant_code(len(type_.cases))
                self._copy_scalar(function, type_, place, code)
            case Own() | Borrow():
                self._copy_scalar(function, type_, place, "I")
            case FlagsType():
                self._copy_flags(function, type_, place)
            case RecordType() | TupleType() | FixedListType() | VariantType() | OptionType():
                self._call_copier(function, type_, place)
            case ResultType():
                self._call_copier(function, type_, place)
            case FutureType() | StreamType() | ErrorContextType():
                raise AssertionError("refused by the planner")
            case _:
                assert_never(type_)

    def _load(self, code: str, place: Place) -> str:
        memory = self._module.imported(self._giver.memory)
        return f"({_LOADS[code]} {memory} offset={place.offset} (local.get {place.source}))"

    def _store(self, code: str, place: Place, value: str) -> str:
        memory = self._module.imported(self._taker.memory)
        target = f"offset={place.offset} (local.get {place.target})"
        return f"({_STORES[code]} {memory} {target} {value})"

    def _copy_scalar(self, function: Function, type_: Type, place: Place, code: str) -> None:
        value = self._checked(function, type_, self._load(code, place))
        function.add(self._store(code, place, value))

    def _copy_flags(self, function: Function, type_: FlagsType, place: Place) -> None:
        count = len(type_.labels)
        if count <= 16:
            self._copy_scalar(function, type_, place, "B" if count <= 8 else "H")
            return
        for word in range(flag_words(count)):
            at = place.at(4 * word)
            value = _masked(self._load("I", at), min(32, count - 32 * word))
            function.add(self._store("I", at, value))

    def _copy_pair(self, function: Function, place: Place, copier: str) -> None:
        pointer, length = function.local("i32"), function.local("i32")
        second = place.at(4)
        function.add(
            f"(call {copier} {self._load('I', place)} {self._load('I', second)})",
            f"local.set {length} local.set {pointer}",
            self._store("I", place, f"(local.get {pointer})"),
            self._store("I", second, f"(local.get {length})"),
        )

    def _call_copier(self, function: Function, type_: Type, place: Place) -> None:
        copier = self._copier(type_)
        function.add(
            f"(call {copier} (i32.add (local.get {place.source}) (i32.const {place.offset}))"
            f" (i32.add (local.get {place.target}) (i32.const {place.offset})))"
        )

    def _copier(self, type_: Type) -> str:
        """Return a function `(source, target)` that copies a value with parts."""
        key = ("copy", self._giver, self._taker, type_)
        name, is_new = self._module.helper(key)
        if is_new:
            function = Function(name, "(param $s i32) (param $d i32)")
            self._copy_parts(function, type_, Place("$s", "$d", 0))
            self._module.add(function)
        return name

    def _copy_parts(self, function: Function, type_: Type, place: Place) -> None:
        if _is_plain(type_):
            function.add(self._block_copy("$s", "$d", f"(i32.const {size_of(type_).bytes})"))
            return
        match type_:
            case RecordType() | TupleType():
                offset = 0
                for member in members(type_):
                    size = size_of(member)
                    offset = align(offset, size.alignment)
                    self.copy_at(function, member, place.at(offset))
                    offset += size.bytes
            case VariantType() | OptionType() | ResultType():
                self._copy_variant(function, type_, place)
            case FixedListType():
                end = function.local("i32")
                bytes_ = size_of(type_).bytes
                function.add(f"(local.set {end} (i32.add (local.get $s) (i32.const {bytes_})))")
                self._loop(function, type_.element, end)
            case _:
                raise AssertionError(type_)

    def _block_copy(self, source: str, target: str, size: str) -> str:
        into = self._module.imported(self._taker.memory)
        out = self._module.imported(self._giver.memory)
        return f"(memory.copy {into} {out} (local.get {target}) (local.get {source}) {size})"

    def _loop(self, function: Function, element: Type, end: str) -> None:
        """Copy elements from `$s` to `$d` until `$s` reaches `end`."""
        size = size_of(element).bytes
        function.add("(block $end (loop $next")
        function.add(f"(br_if $end (i32.ge_u (local.get $s) (local.get {end})))")
        self.copy_at(function, element, Place("$s", "$d", 0))
        for name in ("$s", "$d"):
            function.add(f"(local.set {name} (i32.add (local.get {name}) (i32.const {size})))")
        function.add("(br $next)))")

    def _list_copier(self, element: Type) -> str:
        """Return a function `(pointer, length) -> (pointer, length)`."""
        key = ("list", self._giver, self._taker, element)
        name, is_new = self._module.helper(key)
        if is_new:
            size = size_of(element)
            function = Function(
                name,
                "(param $s i32) (param $n i32) (result i32 i32) (local $bytes i32)"
                " (local $d i32) (local $at i32) (local $e i32)",
            )
            check = span(self._module, self._giver.memory)
            allocate = allocator(self._module, self._taker)
            function.add(
                f"(local.set $bytes (call {check} (local.get $s) (local.get $n)"
                f" (i32.const {size.bytes}) (i32.const {size.alignment})))",
                f"(local.set $at (local.tee $d (call {allocate} (i32.const {size.alignment})"
                " (local.get $bytes))))",
            )
            if _is_plain(element):
                function.add(self._block_copy("$s", "$d", "(local.get $bytes)"))
            else:
                function.add("(local.set $e (i32.add (local.get $s) (local.get $bytes)))")
                self._loop(function, element, "$e")
            function.add("(local.get $at) (local.get $n)")
            self._module.add(function)
        return name

    def _copy_variant(self, function: Function, type_: _VARIANTS, place: Place) -> None:
        cases = alternatives(type_)
        code = discriminant_code(len(cases))
        tag = self._discriminant(function, self._load(code, place), len(cases))
        function.add(self._store(code, place, tag))
        offset = align(CODE_BYTES[code], payload_size(type_).alignment)
        self._by_case(
            function,
            tag,
            [case.type for case in cases],
            lambda payload: self.copy_at(function, payload, place.at(offset)),
        )

    def _by_case(
        self,
        function: Function,
        tag: str,
        payloads: list[Type | None],
        write: Callable[[Type], None],
    ) -> None:
        """Write one branch per distinct payload type; `write(type)` adds its instructions."""
        order = list(dict.fromkeys(each for each in payloads if each is not None))
        if not order:
            return
        if len(order) == 1 and None not in payloads:
            write(order[0])
            return
        end = function.label()
        labels = {payload: function.label() for payload in order}
        table = " ".join(end if each is None else labels[each] for each in payloads)
        function.add(f"block {end}")
        function.add(*[f"block {labels[payload]}" for payload in reversed(order)])
        function.add(f"(br_table {table} {end} {tag})")
        for payload in order:
            function.add("end")
            write(payload)
            function.add(f"br {end}")
        function.add("end")

    # As core values.

    def flat(self, function: Function, type_: Type, given: Sequence[str]) -> list[str]:
        """Write instructions for a value in locals, and return the locals of the outcome."""
        match type_:
            case Primitive.STRING:
                return self._flat_pair(
                    function, given, string_copier(self._module, self._giver, self._taker)
                )
            case ListType():
                return self._flat_pair(function, given, self._list_copier(type_.element))
            case MapType():
                pairs = TupleType((type_.key, type_.value))
                return self._flat_pair(function, given, self._list_copier(pairs))
            case RecordType() | TupleType():
                return self._flat_members(function, members(type_), given)
            case FixedListType():
                elements = (type_.element,) * type_.length
                return self._flat_members(function, elements, given)
            case VariantType() | OptionType() | ResultType():
                return self._flat_variant(function, type_, given)
            case FlagsType() if len(type_.labels) > 32:
                left = len(type_.labels)
                words: list[str] = []
                for each in given:
                    word = _masked(f"(local.get {each})", min(32, left))
                    words.append(_set(function, "i32", word))
                    left -= 32
                return words
            case _:
                value = self._checked(function, type_, f"(local.get {given[0]})")
                return [_set(function, flatten(type_)[0], value)]

    def _flat_pair(self, function: Function, given: Sequence[str], copier: str) -> list[str]:
        pointer, length = function.local("i32"), function.local("i32")
        function.add(
            f"(call {copier} (local.get {given[0]}) (local.get {given[1]}))",
            f"local.set {length} local.set {pointer}",
        )
        return [pointer, length]

    def _flat_members(
        self, function: Function, types: Sequence[Type], given: Sequence[str]
    ) -> list[str]:
        out: list[str] = []
        at = 0
        for type_ in types:
            count = len(flatten(type_))
            out += self.flat(function, type_, given[at : at + count])
            at += count
        return out

    def _flat_variant(
        self, function: Function, type_: _VARIANTS, given: Sequence[str]
    ) -> list[str]:
        joined = flatten(type_)
        cases = alternatives(type_)
        tag = self._discriminant(function, f"(local.get {given[0]})", len(cases))
        out = [_set(function, "i32", tag)]
        out += [function.local(core) for core in joined[1:]]

        def write(payload: Type) -> None:
            cores = flatten(payload)
            inner = [
                _set(function, core, _converted(f"(local.get {local})", wide, core))
                for core, wide, local in zip(cores, joined[1:], given[1:], strict=False)
            ]
            results = self.flat(function, payload, inner)
            for result, core, wide, local in zip(results, cores, joined[1:], out[1:], strict=False):
                value = _converted(f"(local.get {result})", core, wide)
                function.add(f"(local.set {local} {value})")

        self._by_case(function, tag, [case.type for case in cases], write)
        return out


def _set(function: Function, core: str, value: str) -> str:
    local = function.local(core)
    function.add(f"(local.set {local} {value})")
    return local


def _masked(value: str, count: int) -> str:
    return value if count == 32 else f"(i32.and {value} (i32.const {(1 << count) - 1}))"


def _converted(value: str, has: str, wants: str) -> str:
    """Return a core value in another type, as variants join the types of their cases."""
    match has, wants:
        case _ if has == wants:
            return value
        case "i32", "f32":
            return f"(f32.reinterpret_i32 {value})"
        case "f32", "i32":
            return f"(i32.reinterpret_f32 {value})"
        case "i64", "i32":
            return f"(i32.wrap_i64 {value})"
        case "i32", "i64":
            return f"(i64.extend_i32_u {value})"
        case "i64", "f64":
            return f"(f64.reinterpret_i64 {value})"
        case "f64", "i64":
            return f"(i64.reinterpret_f64 {value})"
        case "i64", "f32":
            return f"(f32.reinterpret_i32 (i32.wrap_i64 {value}))"
        case "f32", "i64":
            return f"(i64.extend_i32_u (i32.reinterpret_f32 {value}))"
        case _:
            raise AssertionError((has, wants))


def _is_plain(type_: Type) -> bool:
    """Return whether any bytes are a value, and mean the same on both sides."""
    match type_:
        case Primitive():
            return type_ in _PLAIN
        case RecordType() | TupleType():
            return all(map(_is_plain, members(type_)))
        case FixedListType():
            return _is_plain(type_.element)
        case _:
            return False
