"""Types as WIT writes them, for signatures and error messages.

Two views: a reference (`point`, `list<point>`) names declared types, a definition spells them out.
Owns the table of keywords. Knows no function and no package.

Source: component-model specification, WIT.md, "Keywords" and "Types".
"""

from collections.abc import Iterable
from typing import assert_never

from wit.types import (
    Borrow,
    Case,
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
    TypeName,
    VariantType,
)

__all__ = ["WIT_KEYWORDS", "definition_text", "identifier_text", "type_text"]

# https://component-model.bytecodealliance.org/design/wit.html, "Keywords"
_KEYWORDS = """
    as async bool borrow char constructor enum error-context export f32 f64 flags from func future
    import include interface list map option own package record resource result s16 s32 s64 s8
    static stream string tuple type u16 u32 u64 u8 use variant with world
"""
WIT_KEYWORDS = frozenset(_KEYWORDS.split())


def identifier_text(name: str) -> str:
    """Return a name as WIT text writes it: keywords get a `%`."""
    return f"%{name}" if name in WIT_KEYWORDS else name


def type_text(type_: Type | None) -> str:
    """Return a type in one line, declared types by their names; None is `_`."""
    match type_:
        case None:
            return "_"
        case RecordType() | VariantType() | EnumType() | FlagsType():
            if type_.name is not None:
                return identifier_text(type_.name.name)
            return definition_text(type_)
        case _:
            return definition_text(type_)


def definition_text(type_: Type, separator: str = " ") -> str:
    r"""Return what a type is made of: `record point { x: u32, y: u32 }`.

    Members show declared types by name.

    Args:
        type_: Any type.
        separator: What stands between the braces and the members; `"\n  "` gives one a line.
    """
    match type_:
        case RecordType(fields, name):
            members = [
                f"{identifier_text(field.name)}: {type_text(field.type)}" for field in fields
            ]
            return _declaration("record", name, members, separator)
        case VariantType(cases, name):
            members = [_case_text(case) for case in cases]
            return _declaration("variant", name, members, separator)
        case EnumType(names, name):
            return _declaration("enum", name, map(identifier_text, names), separator)
        case FlagsType(names, name):
            return _declaration("flags", name, map(identifier_text, names), separator)
        case Primitive():
            return type_.value
        case ListType(element):
            return f"list<{type_text(element)}>"
        case FixedListType(element, length):
            return f"list<{type_text(element)}, {length}>"
        case MapType(key, value):
            return f"map<{type_text(key)}, {type_text(value)}>"
        case TupleType(elements):
            return f"tuple<{', '.join(map(type_text, elements))}>"
        case OptionType(some):
            return f"option<{type_text(some)}>"
        case ResultType(ok, err):
            return _result_text(ok, err)
        case Own(resource):
            return identifier_text(resource.name)
        case Borrow(resource):
            return f"borrow<{identifier_text(resource.name)}>"
        case FutureType(element):
            return "future" if element is None else f"future<{type_text(element)}>"
        case StreamType(element):
            return "stream" if element is None else f"stream<{type_text(element)}>"
        case ErrorContextType():
            return "error-context"
        case _:
            assert_never(type_)


def _declaration(
    keyword: str, name: TypeName | None, members: Iterable[str], separator: str
) -> str:
    head = keyword if name is None else f"{keyword} {identifier_text(name.name)}"
    body = f",{separator}".join(members)
    if not body:
        return f"{head} {{}}"
    if separator == " ":
        return f"{head} {{ {body} }}"
    return f"{head} {{{separator}{body},\n}}"


def _case_text(case: Case) -> str:
    payload = "" if case.type is None else f"({type_text(case.type)})"
    return identifier_text(case.name) + payload


def _result_text(ok: Type | None, err: Type | None) -> str:
    if err is not None:
        return f"result<{type_text(ok)}, {type_text(err)}>"
    return "result" if ok is None else f"result<{type_text(ok)}>"
