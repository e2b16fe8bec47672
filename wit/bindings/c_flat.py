"""Statements of C that take values apart into core values, and put them together again."""

from typing import Final, final

from wit.bindings.c_names import PRIMITIVES, Names, identifier
from wit.bindings.flattening import cases_of, flat, joined
from wit.errors import WitError
from wit.types import (
    Borrow,
    EnumType,
    FlagsType,
    ListType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
)

__all__ = ["CORE", "Statements"]

CORE: Final = {"i32": "int32_t", "i64": "int64_t", "f32": "float", "f64": "double"}
_OneOf = VariantType | OptionType | ResultType


@final
class Statements:
    """The lines of a function body, with names of variables that no other line has."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._count = 0
        self._depth = 1
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Add a line."""
        self.lines.append("  " * self._depth + line)

    def fresh(self, word: str) -> str:
        """Return a new name for a variable."""
        self._count += 1
        return f"{word}_{self._count}"

    def lowered(self, type_: Type, value: str) -> list[str]:
        """Return the core values of a value, as expressions."""
        match type_:
            case Primitive.STRING | ListType():
                return [f"(int32_t)(uintptr_t){value}.ptr", f"(int32_t){value}.len"]
            case Primitive() | EnumType():
                return [f"({CORE[flat(type_)[0]]}){value}"]
            case RecordType(fields):
                parts = [(each.type, f"{value}.{identifier(each.name)}") for each in fields]
                return [core for part, inner in parts for core in self.lowered(part, inner)]
            case TupleType(elements):
                parts = [(each, f"{value}.f{at}") for at, each in enumerate(elements)]
                return [core for part, inner in parts for core in self.lowered(part, inner)]
            case FlagsType():
                words = len(flat(type_))
                if words == 1 and not self._is_array(type_):
                    return [f"(int32_t){value}"]
                return [f"(int32_t){value}.bits[{at}]" for at in range(words)]
            case Own():
                return [f"{value}.handle"]
            case Borrow(resource):
                own = self._names.is_exported(resource)
                return [f"(int32_t)(uintptr_t){value}" if own else f"{value}.handle"]
            case VariantType() | OptionType() | ResultType():
                return self._lowered_case(type_, value)
            case _:
                raise WitError(f"bindings for C know no {type(type_).__name__}")

    def lifted(self, type_: Type, cores: list[str]) -> str:
        """Return an expression for the value that core values stand for; takes them off `cores`."""
        name = self._names.type(type_)
        match type_:
            case Primitive.STRING:
                return (
                    f"(wit_string_t){{(char *)(uintptr_t){cores.pop(0)}, (size_t){cores.pop(0)}}}"
                )
            case ListType():
                return f"({name}){{(void *)(uintptr_t){cores.pop(0)}, (size_t){cores.pop(0)}}}"
            case Primitive():
                return f"({PRIMITIVES[type_]}){cores.pop(0)}"
            case EnumType():
                return f"({name}){cores.pop(0)}"
            case RecordType(fields):
                parts = [self.lifted(each.type, cores) for each in fields]
                return f"({name}){{{', '.join(parts)}}}"
            case TupleType(elements):
                return f"({name}){{{', '.join(self.lifted(each, cores) for each in elements)}}}"
            case FlagsType():
                if not self._is_array(type_):
                    return f"({name}){cores.pop(0)}"
                words = [f"(uint32_t){cores.pop(0)}" for _ in flat(type_)]
                return f"({name}){{{{{', '.join(words)}}}}}"
            case Own():
                return f"({name}){{{cores.pop(0)}}}"
            case Borrow(resource):
                core = cores.pop(0)
                own = self._names.is_exported(resource)
                return f"({name})(uintptr_t){core}" if own else f"({name}){{{core}}}"
            case VariantType() | OptionType() | ResultType():
                return self._lifted_case(type_, cores)
            case _:
                raise WitError(f"bindings for C know no {type(type_).__name__}")

    def _is_array(self, type_: FlagsType) -> bool:
        return len(type_.labels) > 32

    def _lowered_case(self, type_: _OneOf, value: str) -> list[str]:
        cases = cases_of(type_)
        wide = joined(payload for _, payload in cases)
        variables = [self.fresh("core") for _ in wide]
        for variable, core in zip(variables, wide, strict=True):
            self.add(f"{CORE[core]} {variable} = 0;")
        tag = _tag(type_, value)
        self._switch_begin(tag, cases)
        for at, (name, payload) in enumerate(cases):
            if payload is None or not flat(payload):
                continue
            self._case_begin(at)
            cores = self.lowered(payload, _payload(type_, value, name))
            for variable, target, core, expression in zip(
                variables, wide, flat(payload), cores, strict=False
            ):
                self.add(f"{variable} = {_converted(expression, core, target)};")
            self._case_end()
        self._switch_end(cases)
        return [f"(int32_t){tag}", *variables]

    def _lifted_case(self, type_: _OneOf, cores: list[str]) -> str:
        cases = cases_of(type_)
        wide = joined(payload for _, payload in cases)
        tag, given = cores.pop(0), [cores.pop(0) for _ in wide]
        variable = self.fresh("value")
        # Nothing of earlier calls may show where a case has no payload.
        self.add(f"{self._names.type(type_)} {variable} = {{0}};")
        self.add(f"{_tag(type_, variable)} = {tag};")
        self._switch_begin(tag, cases)
        for at, (name, payload) in enumerate(cases):
            if payload is None:
                continue
            self._case_begin(at)
            inner = [
                _converted(expression, core, target)
                for expression, core, target in zip(given, wide, flat(payload), strict=False)
            ]
            value = self.lifted(payload, inner)
            self.add(f"{_payload(type_, variable, name)} = {value};")
            self._case_end()
        self._switch_end(cases)
        return variable

    def _switch_begin(self, tag: str, cases: tuple[tuple[str, Type | None], ...]) -> None:
        if any(payload is not None for _, payload in cases):
            self.add(f"switch ((int){tag}) {{")
            self._depth += 1

    def _switch_end(self, cases: tuple[tuple[str, Type | None], ...]) -> None:
        if any(payload is not None for _, payload in cases):
            self._depth -= 1
            self.add("}")

    def _case_begin(self, at: int) -> None:
        self.add(f"case {at}: {{")
        self._depth += 1

    def _case_end(self) -> None:
        self.add("break;")
        self._depth -= 1
        self.add("}")


def _tag(type_: _OneOf, value: str) -> str:
    match type_:
        case OptionType():
            return f"{value}.is_some"
        case ResultType():
            return f"{value}.is_err"
        case VariantType():
            return f"{value}.tag"


def _payload(type_: _OneOf, value: str, case: str) -> str:
    return f"{value}.val" if isinstance(type_, OptionType) else f"{value}.val.{identifier(case)}"


def _converted(expression: str, core: str, target: str) -> str:
    """Return a core value as one of another type, bit by bit."""
    match core, target:
        case ("f32", "i32" | "i64"):
            bits = f"wit_bits_of_f32({expression})"
            return bits if target == "i32" else f"(int64_t)(uint32_t){bits}"
        case ("f64", "i64"):
            return f"wit_bits_of_f64({expression})"
        case ("i32", "i64"):
            return f"(int64_t)(uint32_t)({expression})"
        case ("i32" | "i64", "f32"):
            return f"wit_f32_of_bits((int32_t)({expression}))"
        case ("i64", "f64"):
            return f"wit_f64_of_bits({expression})"
        case ("i64", "i32"):
            return f"(int32_t)({expression})"
        case _:
            return expression
