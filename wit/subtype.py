"""Whether one type may stand where another is expected.

Value types and function types of components have no subtyping but equality: names of records and
the like do not count, labels, parameter names and resources do.

Source: component-model specification, Subtyping.md.
"""

from typing import TypeAlias, assert_never

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

__all__ = ["TypeEquality", "same_function", "same_type"]


def same_type(left: Type, right: Type) -> bool:
    """Compare by structure, without the names of declarations."""
    return TypeEquality().types(left, right)


def same_function(left: FunctionType, right: FunctionType) -> bool:
    """Compare parameter names, types, result and asynchrony, without the names of declarations."""
    return TypeEquality().functions(left, right)


class TypeEquality:
    """Many comparisons over types that share parts: no pair of objects is compared twice.

    All types that were passed in must stay alive as long as this object.
    """

    def __init__(self) -> None:
        self._equal: set[tuple[int, int]] = set()

    def functions(self, left: FunctionType, right: FunctionType) -> bool:
        """Compare two function types."""
        if left is right:
            return True
        if left.is_async != right.is_async or len(left.parameters) != len(right.parameters):
            return False
        pairs = zip(left.parameters, right.parameters, strict=True)
        if not all(self.names(a.name, b.name) and self.types(a.type, b.type) for a, b in pairs):
            return False
        if left.result is None or right.result is None:
            return left.result is right.result
        return self.types(left.result, right.result)

    def types(self, left: Type, right: Type) -> bool:
        """Compare two value types."""
        if left is right:
            return True
        match left, right:
            case (Own(one), Own(other)) | (Borrow(one), Borrow(other)):
                return self.resources(one, other)
            case _:
                pass
        key = (id(left), id(right))
        if key in self._equal:
            return True
        left_label, left_names, left_parts = _apart(left)
        right_label, right_names, right_parts = _apart(right)
        if left_label != right_label or len(left_parts) != len(right_parts):
            return False
        if len(left_names) != len(right_names):
            return False
        if not all(map(self.names, left_names, right_names)):
            return False
        for a, b in zip(left_parts, right_parts, strict=True):
            if a is None or b is None:
                if a is not b:
                    return False
            elif not self.types(a, b):
                return False
        self._equal.add(key)
        return True

    def names(self, left: str, right: str) -> bool:
        """Compare two names of fields, cases, flags or parameters.

        What was equal once must stay so.
        """
        return left == right

    def resources(self, left: ResourceName, right: ResourceName) -> bool:
        """Compare two resource types: by name, which whoever has aliases may change.

        What was equal once must stay so.
        """
        return left == right


_Names: TypeAlias = tuple[str, ...]
_Parts: TypeAlias = tuple[Type | None, ...]


def _apart(type_: Type) -> tuple[object, _Names, _Parts]:
    """Split a type into what tells it from others, the names in it, and the types inside."""
    kind = type(type_)
    match type_:
        case Primitive():
            return type_, (), ()
        case RecordType(fields):
            names = tuple(each.name for each in fields)
            return kind, names, tuple(each.type for each in fields)
        case VariantType(cases):
            return kind, tuple(each.name for each in cases), tuple(each.type for each in cases)
        case EnumType(labels) | FlagsType(labels):
            return kind, labels, ()
        case FixedListType(element, length):
            return (kind, length), (), (element,)
        case Own(resource) | Borrow(resource):
            return (kind, resource), (), ()
        case MapType(key, value):
            return kind, (), (key, value)
        case TupleType(elements):
            return kind, (), elements
        case ResultType(ok, err):
            return kind, (), (ok, err)
        case ListType(part) | OptionType(part) | FutureType(part) | StreamType(part):
            return kind, (), (part,)
        case ErrorContextType():
            return kind, (), ()
        case _:
            assert_never(type_)
