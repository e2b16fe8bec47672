"""Declarations in TypeScript of what components in JavaScript import and export.

Each interface is a module of its full name. What is imported is used as that,
`import { Api } from "demo:counter-client/counter-client"`; what is exported is typed by it:
`export const api: typeof import("demo:counter/api") = { … }`. Values are those of the JavaScript
mapping that jco and the engines share: 64-bit integers are `bigint`, options `undefined`, a result
that is returned throws its error.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, assert_never, final

from wit.errors import WitError
from wit.type_walk import walk
from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
    FixedListType,
    FlagsType,
    FunctionType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    StreamType,
    TupleType,
    Type,
    TypeName,
    VariantType,
)
from wit.world import Function, Interface, World

__all__ = ["typescript_bindings"]

_PRIMITIVES: Final = {
    Primitive.BOOL: "boolean",
    Primitive.S64: "bigint",
    Primitive.U64: "bigint",
    Primitive.CHAR: "string",
    Primitive.STRING: "string",
}
_ARRAYS: Final = {
    Primitive.U8: "Uint8Array",
    Primitive.S8: "Int8Array",
    Primitive.U16: "Uint16Array",
    Primitive.S16: "Int16Array",
    Primitive.U32: "Uint32Array",
    Primitive.S32: "Int32Array",
    Primitive.U64: "BigUint64Array",
    Primitive.S64: "BigInt64Array",
    Primitive.F32: "Float32Array",
    Primitive.F64: "Float64Array",
}
_RAW: Final = re.compile(r"\[(constructor|method|static)\]([a-z0-9A-Z-]+)(?:\.(.+))?")
_Named = RecordType | VariantType | EnumType | FlagsType


def typescript_bindings(world: World) -> str:
    """Return the declarations for a world.

    Raises:
        WitError: it has what components in JavaScript do not know, such as maps.
    """
    lines = ["// Made by `shem app build` from the WIT: changes are lost.", ""]
    for exported, interfaces in (
        (False, world.import_interfaces),
        (True, world.export_interfaces),
    ):
        for interface in interfaces:
            lines += _Module(interface, exported=exported).lines()
    if world.import_functions or world.export_functions:
        root = Interface("$root", world.import_functions)
        lines += _Module(root, exported=False).lines()
        root = Interface("$world", world.export_functions)
        lines += _Module(root, exported=True).lines()
    return "\n".join(lines) + "\n"


@final
class _Module:
    def __init__(self, interface: Interface, *, exported: bool) -> None:
        self._interface = interface
        self._exported = exported
        self._foreign: dict[str, dict[str, str]] = {}

    def lines(self) -> list[str]:
        interface = self._interface
        body: list[str] = []
        declared: set[str] = set()
        for type_ in self._types():
            name = _pascal(type_.name.name) if type_.name else ""
            if name and name not in declared:
                declared.add(name)
                body += self._definition(name, type_)
        for each in interface.types:
            alias = _pascal(each.name)
            if alias not in declared and self._shown(each.type) != alias:
                declared.add(alias)
                body.append(f"export type {alias} = {self._shown(each.type)};")
        resources = {each for each in interface.resources if each not in dict(interface.used)}
        for resource in interface.resources:
            if resource in resources:
                body += self._resource(resource)
        for function in interface.functions:
            if _RAW.fullmatch(function.name) is None:
                body.append(f"export function {_camel(function.name)}{self._signature(function)};")
        imports = [
            f'import type {{ {", ".join(map(_import, names, names.values()))} }} from "{module}";'
            for module, names in self._foreign.items()
        ]
        inner = [f"  {line}" for line in (*imports, *body)]
        return [f'declare module "{interface.name}" {{', *inner, "  export {};", "}", ""]

    def _types(self) -> Iterator[_Named]:
        """Yield the named types that this interface declares, or speaks of without a place."""
        types = [each.type for each in self._interface.types]
        types += [part for each in self._interface.functions for part in _types_of(each.type)]
        for type_ in types:
            for part in walk(type_):
                if isinstance(part, _Named) and self._is_own(part.name):
                    yield part

    def _is_own(self, name: TypeName | ResourceName | None) -> bool:
        return name is None or name.interface in {None, self._interface.name}

    def _reference(self, name: TypeName | ResourceName) -> str:
        text = _pascal(name.name)
        if self._is_own(name):
            return text
        assert name.interface is not None, "types of the world are its own"
        own = {_pascal(each) for each in self._interface.resources}
        alias = f"{text}_" if text in own else text
        self._foreign.setdefault(name.interface, {})[text] = alias
        return alias

    def _definition(self, name: str, type_: _Named) -> list[str]:
        match type_:
            case RecordType(fields):
                members = [
                    f"  {_camel(each.name)}{'?' if isinstance(each.type, OptionType) else ''}:"
                    f" {self._shown(each.type)};"
                    for each in fields
                ]
                return [f"export interface {name} {{", *members, "}"]
            case VariantType(cases):
                shown = [
                    f'  | {{ tag: "{each.name}" }}'
                    if each.type is None
                    else f'  | {{ tag: "{each.name}"; val: {self._shown(each.type)} }}'
                    for each in cases
                ]
                return [f"export type {name} =", *shown[:-1], f"{shown[-1]};"]
            case EnumType(cases):
                return [f"export type {name} = {' | '.join(_quoted(cases))};"]
            case FlagsType(labels):
                members = [f"  {_camel(each)}?: boolean;" for each in labels]
                return [f"export interface {name} {{", *members, "}"]

    def _resource(self, resource: str) -> list[str]:
        members: list[str] = []
        constructor = "  private constructor();"
        for function in self._interface.functions:
            raw = _RAW.fullmatch(function.name)
            if raw is None or raw[2] != resource:
                continue
            if raw[1] == "constructor":
                constructor = f"  constructor({self._parameters(function.type)});"
            else:
                static = "static " if raw[1] == "static" else ""
                signature = self._signature(function, skip=raw[1] == "method")
                members.append(f"  {static}{_camel(raw[3])}{signature};")
        return [f"export class {_pascal(resource)} {{", constructor, *members, "}"]

    def _signature(self, function: Function, *, skip: bool = False) -> str:
        type_ = function.type
        result = type_.result
        # An error is thrown.
        returned = result.ok if isinstance(result, ResultType) else result
        shown = "void" if returned is None else self._shown(returned)
        if self._exported or type_.is_async:
            promised = f"Promise<{shown}>"
            shown = f"{shown} | {promised}" if self._exported else promised
        return f"({self._parameters(type_, skip=skip)}): {shown}"

    def _parameters(self, type_: FunctionType, *, skip: bool = False) -> str:
        given = type_.parameters[1:] if skip else type_.parameters
        return ", ".join(f"{_safe(_camel(each.name))}: {self._shown(each.type)}" for each in given)

    def _shown(self, type_: Type) -> str:
        match type_:
            case Primitive():
                return _PRIMITIVES.get(type_, "number")
            case (
                RecordType(_, name) | VariantType(_, name) | EnumType(_, name) | FlagsType(_, name)
            ):
                if name is None:
                    raise WitError(f"a {type(type_).__name__} without a name has none here")
                return self._reference(name)
            case ListType(Primitive() as element) if element in _ARRAYS:
                return _ARRAYS[element]
            case ListType(element):
                return f"Array<{self._shown(element)}>"
            case TupleType(elements):
                return f"[{', '.join(map(self._shown, elements))}]"
            case OptionType(OptionType() as inner):
                return f'{{ tag: "none" }} | {{ tag: "some"; val: {self._shown(inner)} }}'
            case OptionType(some):
                return f"{self._shown(some)} | undefined"
            case ResultType(ok, err):
                return f"{self._case('ok', ok)} | {self._case('err', err)}"
            case Own(resource) | Borrow(resource):
                return self._reference(resource)
            case FixedListType() | MapType() | FutureType() | StreamType() | ErrorContextType():
                kind = type(type_).__name__.removesuffix("Type").lower()
                raise WitError(f"bindings for JavaScript know no values of type {kind}")
            case _:
                assert_never(type_)

    def _case(self, tag: str, payload: Type | None) -> str:
        value = "" if payload is None else f"; val: {self._shown(payload)}"
        return f'{{ tag: "{tag}"{value} }}'


def _types_of(type_: FunctionType) -> Iterator[Type]:
    yield from (each.type for each in type_.parameters)
    if type_.result is not None:
        yield type_.result


def _import(name: str, alias: str) -> str:
    return name if name == alias else f"{name} as {alias}"


def _quoted(cases: Iterable[str]) -> list[str]:
    return [f'"{each}"' for each in cases]


_RESERVED: Final = frozenset(
    {
        "arguments",
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "debugger",
        "default",
        "delete",
        "do",
        "else",
        "enum",
        "export",
        "extends",
        "false",
        "finally",
        "for",
        "function",
        "if",
        "import",
        "in",
        "instanceof",
        "let",
        "new",
        "null",
        "return",
        "static",
        "super",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "var",
        "void",
        "while",
        "with",
        "yield",
    }
)


def _safe(name: str) -> str:
    return f"{name}_" if name in _RESERVED else name


def _pascal(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("-"))


def _camel(name: str) -> str:
    text = _pascal(name)
    return text[:1].lower() + text[1:]
