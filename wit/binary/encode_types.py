"""Resolved types as the type definitions of one scope."""

from collections.abc import Callable
from typing import assert_never

from wit.binary import encoding
from wit.errors import WitError
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
    VariantType,
)

__all__ = ["TypeEncoder"]

_PRIMITIVES = {
    Primitive.BOOL: 0x7F,
    Primitive.S8: 0x7E,
    Primitive.U8: 0x7D,
    Primitive.S16: 0x7C,
    Primitive.U16: 0x7B,
    Primitive.S32: 0x7A,
    Primitive.U32: 0x79,
    Primitive.S64: 0x78,
    Primitive.U64: 0x77,
    Primitive.F32: 0x76,
    Primitive.F64: 0x75,
    Primitive.CHAR: 0x74,
    Primitive.STRING: 0x73,
}
_ERROR_CONTEXT = 0x64


class TypeEncoder:
    """Defines each type once. `define` adds a definition to the scope and returns its index."""

    def __init__(self, define: Callable[[bytes], int]) -> None:
        self._define = define
        self._types: dict[Type, int] = {}
        self._functions: dict[FunctionType, int] = {}
        self._resources: dict[ResourceName, int] = {}

    def bind(self, type_: Type, index: int) -> None:
        """Let all later mentions of a type be that index."""
        self._types[type_] = index

    def is_bound(self, type_: Type) -> bool:
        """Tell whether the type has an index already."""
        return type_ in self._types

    def bind_resource(self, resource: ResourceName, index: int) -> None:
        """Let all later mentions of a resource be that index."""
        self._resources[resource] = index

    def resource(self, resource: ResourceName) -> int:
        """Return the index of a resource.

        Raises:
            WitError: it was not bound.
        """
        if resource not in self._resources:
            raise WitError(
                f"resource {resource.name!r} of {resource.interface or 'the world'} is used, but "
                "nothing before declares it; list the interface that does first"
            )
        return self._resources[resource]

    def index(self, type_: Type) -> int:
        """Return the index of a type, defining it if it is new."""
        found = self._types.get(type_)
        if found is None:
            found = self._define(self._definition(type_))
            # Types without structure are written in place, so nothing ever asks for their index.
            if not isinstance(type_, (Primitive, ErrorContextType)):
                self._types[type_] = found
        return found

    def function(self, type_: FunctionType) -> int:
        """Return the index of a function type, defining it if it is new."""
        if type_ not in self._functions:
            parameters = encoding.vector(
                encoding.name(each.name) + self._value(each.type) for each in type_.parameters
            )
            result = b"\x01\x00" if type_.result is None else b"\x00" + self._value(type_.result)
            code = b"\x43" if type_.is_async else b"\x40"
            self._functions[type_] = self._define(code + parameters + result)
        return self._functions[type_]

    def _value(self, type_: Type) -> bytes:
        match type_:
            case Primitive():
                return bytes([_PRIMITIVES[type_]])
            case ErrorContextType():
                return bytes([_ERROR_CONTEXT])
            case _:
                return encoding.signed(self.index(type_))

    def _optional(self, type_: Type | None) -> bytes:
        return b"\x00" if type_ is None else b"\x01" + self._value(type_)

    def _definition(self, type_: Type) -> bytes:
        match type_:
            case Primitive():
                return bytes([_PRIMITIVES[type_]])
            case ErrorContextType():
                return bytes([_ERROR_CONTEXT])
            case RecordType(fields):
                parts = [encoding.name(each.name) + self._value(each.type) for each in fields]
                return b"\x72" + encoding.vector(parts)
            case VariantType(cases):
                parts = [
                    encoding.name(each.name) + self._optional(each.type) + b"\x00" for each in cases
                ]
                return b"\x71" + encoding.vector(parts)
            case TupleType(elements):
                return b"\x6f" + encoding.vector([self._value(each) for each in elements])
            case FlagsType(labels):
                return b"\x6e" + encoding.vector(map(encoding.name, labels))
            case EnumType(labels):
                return b"\x6d" + encoding.vector(map(encoding.name, labels))
            case Own(resource):
                return b"\x69" + encoding.unsigned(self.resource(resource))
            case Borrow(resource):
                return b"\x68" + encoding.unsigned(self.resource(resource))
            case _:
                return self._container(type_)

    def _container(
        self,
        type_: ListType
        | FixedListType
        | MapType
        | OptionType
        | ResultType
        | FutureType
        | StreamType,
    ) -> bytes:
        match type_:
            case ListType(element):
                return b"\x70" + self._value(element)
            case FixedListType(element, length):
                return b"\x67" + self._value(element) + encoding.unsigned(length)
            case MapType(key, value):
                return b"\x63" + self._value(key) + self._value(value)
            case OptionType(some):
                return b"\x6b" + self._value(some)
            case ResultType(ok, err):
                return b"\x6a" + self._optional(ok) + self._optional(err)
            case FutureType(element):
                return b"\x65" + self._optional(element)
            case StreamType(element):
                return b"\x66" + self._optional(element)
            case _:
                assert_never(type_)
