"""Values that stand for ones still to be written: right in their type, otherwise empty."""

from collections.abc import Sequence

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
    Parameter,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)

__all__ = ["arguments_stub", "stub"]


def arguments_stub(parameters: Sequence[Parameter]) -> str:
    """Return arguments for parameters, in parentheses."""
    return f"({', '.join(stub(parameter.type) for parameter in parameters)})"


def stub(type_: Type) -> str:
    """Return an expression of a type; the name of a resource where only a resource can stand."""
    match type_:
        case Primitive():
            return _primitive(type_)
        case ListType():
            return "[]"
        case FixedListType(element, length):
            return f"[{', '.join([stub(element)] * length)}]"
        case OptionType():
            return "none"
        case ResultType(ok):
            return "ok" if ok is None else f"ok({stub(ok)})"
        case TupleType(elements):
            inner = ", ".join(map(stub, elements))
            return f"({inner},)" if len(elements) == 1 else f"({inner})"
        case RecordType(fields):
            return f"{{{', '.join(f'{field.name}: {stub(field.type)}' for field in fields)}}}"
        case VariantType(cases):
            # A case without payload is the shortest beginning.
            case_ = next((each for each in cases if each.type is None), cases[0])
            return case_.name if case_.type is None else f"{case_.name}({stub(case_.type)})"
        case EnumType(cases):
            return cases[0]
        case FlagsType(labels):
            return f"{{{labels[0]}}}"
        case Own(resource) | Borrow(resource):
            return resource.name
        case MapType() | FutureType() | StreamType() | ErrorContextType():
            return ""


def _primitive(type_: Primitive) -> str:
    match type_:
        case Primitive.BOOL:
            return "false"
        case Primitive.STRING:
            return '""'
        case Primitive.CHAR:
            return "' '"
        case Primitive.F32 | Primitive.F64:
            return "0.0"
        case _:
            return "0"
