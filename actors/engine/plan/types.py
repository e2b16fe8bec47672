"""Evaluates type definitions: indices into the types of `wit.types`, resources by identity."""

from typing import assert_never

from actors.engine.plan.model import ResourceId
from actors.engine.plan.scope import Scope
from wit.binary import types as spelled
from wit.binary.limits import TYPE_DEPTH_MAX, TYPE_SIZE_MAX
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.types import (
    Borrow,
    Case,
    EnumType,
    ErrorContextType,
    Field,
    FixedListType,
    FlagsType,
    FunctionType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)

__all__ = ["TypeEvaluator"]


class TypeEvaluator:
    """Evaluates value and function types and keeps their sizes within bounds.

    Types are graphs in the file, but code that walks them sees trees: without a bound, sixty nested
    pairs would be a type of 2^60 nodes.
    """

    def __init__(self) -> None:
        # By identity, as hashing a type walks it. The type is kept so that its id stays its own.
        self._measures: dict[int, tuple[Type, int, int]] = {}

    def value(self, scope: Scope, spelled_type: spelled.ValueType, offset: int) -> Type:
        """Evaluate a reference to a value type."""
        match spelled_type:
            case Primitive():
                return spelled_type
            case ErrorContextType():
                raise _no_error_context(offset)
            case int():
                found = scope.get(Sort.TYPE, spelled_type, offset)
                if not isinstance(found, _VALUE_TYPES):
                    raise BinaryError(f"type {spelled_type} is no value type", offset=offset)
                return found
            case _:
                assert_never(spelled_type)

    def function(
        self, scope: Scope, definition: spelled.FunctionDefinition, offset: int
    ) -> FunctionType:
        """Evaluate a function type."""
        names = [parameter.name for parameter in definition.parameters]
        if len(set(names)) != len(names):
            raise BinaryError("two parameters have the same name", offset=offset)
        return FunctionType(
            tuple(
                Parameter(parameter.name, self.value(scope, parameter.type, offset))
                for parameter in definition.parameters
            ),
            self._optional(scope, definition.result, offset),
            definition.is_async,
        )

    def defined(self, scope: Scope, definition: spelled.DefinedType, offset: int) -> Type:
        """Evaluate a defined value type."""
        type_ = self._build(scope, definition, offset)
        if isinstance(type_, Primitive):
            return type_
        size, depth = 1, 0
        for part in _parts(type_):
            _, part_size, part_depth = self._measures.get(id(part), (part, 1, 1))
            size += part_size
            depth = max(depth, part_depth)
        if size > TYPE_SIZE_MAX or depth >= TYPE_DEPTH_MAX:
            raise BinaryError(
                f"type of {size} parts and {depth + 1} levels, "
                f"at most {TYPE_SIZE_MAX} and {TYPE_DEPTH_MAX} are allowed",
                offset=offset,
            )
        self._measures[id(type_)] = (type_, size, depth + 1)
        return type_

    def _optional(
        self, scope: Scope, spelled_type: spelled.ValueType | None, offset: int
    ) -> Type | None:
        return None if spelled_type is None else self.value(scope, spelled_type, offset)

    def _build(self, scope: Scope, definition: spelled.DefinedType, offset: int) -> Type:
        match definition:
            case spelled.PlainDefinition(Primitive() as type_):
                return type_
            case spelled.PlainDefinition():
                raise _no_error_context(offset)
            case spelled.RecordDefinition():
                _check_names([field.name for field in definition.fields], "record", offset)
                return RecordType(
                    tuple(
                        Field(field.name, self.value(scope, field.type, offset))
                        for field in definition.fields
                    )
                )
            case spelled.VariantDefinition():
                _check_names([case.name for case in definition.cases], "variant", offset)
                return VariantType(
                    tuple(
                        Case(case.name, self._optional(scope, case.type, offset))
                        for case in definition.cases
                    )
                )
            case spelled.EnumDefinition():
                _check_names(list(definition.cases), "enum", offset)
                return EnumType(definition.cases)
            case spelled.FlagsDefinition():
                _check_names(list(definition.labels), "flags", offset)
                return FlagsType(definition.labels)
            case spelled.TupleDefinition():
                if not definition.elements:
                    raise BinaryError("a tuple needs at least one element", offset=offset)
                return TupleType(
                    tuple(self.value(scope, element, offset) for element in definition.elements)
                )
            case spelled.OptionDefinition():
                return OptionType(self.value(scope, definition.some, offset))
            case spelled.ResultDefinition():
                return ResultType(
                    self._optional(scope, definition.ok, offset),
                    self._optional(scope, definition.err, offset),
                )
            case spelled.OwnDefinition():
                return Own(self._resource(scope, definition.resource, offset))
            case spelled.BorrowDefinition():
                return Borrow(self._resource(scope, definition.resource, offset))
            case _:
                return self._build_sequence(scope, definition, offset)

    def _build_sequence(
        self,
        scope: Scope,
        definition: spelled.ListDefinition
        | spelled.FixedListDefinition
        | spelled.MapDefinition
        | spelled.FutureDefinition
        | spelled.StreamDefinition,
        offset: int,
    ) -> Type:
        match definition:
            case spelled.ListDefinition():
                return ListType(self.value(scope, definition.element, offset))
            case spelled.FixedListDefinition():
                return FixedListType(
                    self.value(scope, definition.element, offset), definition.length
                )
            case spelled.MapDefinition():
                return MapType(
                    self.value(scope, definition.key, offset),
                    self.value(scope, definition.value, offset),
                )
            case spelled.FutureDefinition():
                return FutureType(self._optional(scope, definition.element, offset))
            case spelled.StreamDefinition():
                return StreamType(self._optional(scope, definition.element, offset))
            case _:
                assert_never(definition)

    def _resource(self, scope: Scope, index: int, offset: int) -> ResourceId:
        found = scope.get(Sort.TYPE, index, offset)
        if not isinstance(found, ResourceId):
            raise BinaryError(f"type {index} is no resource", offset=offset)
        return found


_VALUE_TYPES = (
    Primitive,
    RecordType,
    VariantType,
    EnumType,
    FlagsType,
    ListType,
    FixedListType,
    MapType,
    TupleType,
    OptionType,
    ResultType,
    Own,
    Borrow,
    FutureType,
    StreamType,
    ErrorContextType,
)


def _check_names(names: list[str], what: str, offset: int) -> None:
    if not names:
        raise BinaryError(f"a {what} needs at least one member", offset=offset)
    if len(set(names)) != len(names):
        raise BinaryError(f"two members of a {what} have the same name", offset=offset)


def _parts(type_: Type) -> list[Type]:
    match type_:
        case RecordType():
            return [field.type for field in type_.fields]
        case VariantType():
            return [case.type for case in type_.cases if case.type is not None]
        case TupleType():
            return list(type_.elements)
        case OptionType():
            return [type_.some]
        case ResultType():
            return [part for part in (type_.ok, type_.err) if part is not None]
        case ListType() | FixedListType():
            return [type_.element]
        case MapType():
            return [type_.key, type_.value]
        case FutureType() | StreamType():
            return [] if type_.element is None else [type_.element]
        case Primitive() | EnumType() | FlagsType() | Own() | Borrow() | ErrorContextType():
            return []
        case _:
            assert_never(type_)


def _no_error_context(offset: int) -> BinaryError:
    return BinaryError(
        "the type error-context of component-model async is not supported; "
        "build the component for WASI 0.2",
        offset=offset,
    )
