"""wasmtime's own component implementation, behind values as this project writes them."""

from contextlib import contextmanager

import wasmtime
from wasmtime import component as oracle
from wasmtime.component import _types

from wit.types import (
    Borrow,
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    ListType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    VariantType,
)


class Handles:
    """Resources of the host, which are numbers here and objects of wasmtime there."""

    def __init__(self, store):
        self._store = store
        self._numbers = {}

    def number(self, resource):
        """Return the number of a resource type."""
        return self._numbers.setdefault(resource, len(self._numbers) + 1)

    def given(self, resource, rep):
        """Return an own handle for the guest."""
        return oracle.ResourceHost.own(rep, self.number(resource)).to_any(self._store)

    def taken(self, handle):
        """Return the number behind a handle of the guest."""
        return handle.to_host(self._store).rep


@contextmanager
def tagged_variants():
    """Make the stock converter tag every variant, so that values convert without guessing."""
    before = _types.VariantLikeType._tagged
    _types.VariantLikeType._tagged = lambda self: True
    try:
        yield
    finally:
        _types.VariantLikeType._tagged = before


def to_oracle(type_, value, handles=None):
    match type_:
        case RecordType():
            record = oracle.Record()
            for field in type_.fields:
                setattr(record, field.name, to_oracle(field.type, value[field.name], handles))
            return record
        case TupleType():
            return tuple(
                to_oracle(part, each, handles)
                for part, each in zip(type_.elements, value, strict=True)
            )
        case ListType(element=Primitive.U8):
            return value
        case ListType():
            return [to_oracle(type_.element, each, handles) for each in value]
        case OptionType():
            if value is None:
                return oracle.Variant("none")
            return oracle.Variant("some", to_oracle(type_.some, value[0], handles))
        case ResultType() | VariantType():
            name, payload = value
            inner = payload_type(type_, name)
            if inner is None:
                return oracle.Variant(name)
            return oracle.Variant(name, to_oracle(inner, payload, handles))
        case FlagsType():
            return set(value)
        case Own(resource):
            return handles.given(resource, value)
        case _:
            return value


def from_oracle(type_, value, handles=None):
    match type_:
        case RecordType():
            return {
                field.name: from_oracle(field.type, getattr(value, field.name), handles)
                for field in type_.fields
            }
        case TupleType():
            return tuple(
                from_oracle(part, each, handles)
                for part, each in zip(type_.elements, value, strict=True)
            )
        case ListType(element=Primitive.U8):
            return bytes(value)
        case ListType():
            return [from_oracle(type_.element, each, handles) for each in value]
        case OptionType():
            if value.tag == "none":
                return None
            return (from_oracle(type_.some, value.payload, handles),)
        case ResultType() | VariantType():
            inner = payload_type(type_, value.tag)
            return (
                value.tag,
                None if inner is None else from_oracle(inner, value.payload, handles),
            )
        case FlagsType():
            return frozenset(value)
        case Own() | Borrow():
            return handles.taken(value)
        case _:
            return value


def payload_type(type_, name):
    if isinstance(type_, ResultType):
        return type_.ok if name == "ok" else type_.err
    return next(case.type for case in type_.cases if case.name == name)


class OracleInstance:
    """A component without imports under wasmtime."""

    def __init__(self, engine, data):
        self.store = wasmtime.Store(engine)
        self.component = oracle.Component(engine, data)
        self.instance = oracle.Linker(engine).instantiate(self.store, self.component)

    def call(self, name, *arguments):
        function = self.instance.get_func(self.store, name)
        return function(self.store, *arguments)


class TypeText:
    """Types in the text format; those that need a name become exports or imports of it."""

    def __init__(self, *, imported=False, prefix="t"):
        self.definitions = []
        self.names = []
        self.imported = imported
        self.prefix = prefix

    def of(self, type_):
        match type_:
            case Primitive():
                return type_.value
            case RecordType():
                fields = " ".join(f'(field "{f.name}" {self.of(f.type)})' for f in type_.fields)
                return self._named(f"(record {fields})")
            case VariantType():
                return self._named(f"(variant {' '.join(map(self._case, type_.cases))})")
            case EnumType():
                return self._named(f"(enum {_quoted(type_.cases)})")
            case FlagsType():
                return self._named(f"(flags {_quoted(type_.labels)})")
            case TupleType():
                return self._plain(f"(tuple {' '.join(map(self.of, type_.elements))})")
            case ListType():
                return self._plain(f"(list {self.of(type_.element)})")
            case OptionType():
                return self._plain(f"(option {self.of(type_.some)})")
            case ResultType():
                ok = "" if type_.ok is None else self.of(type_.ok)
                err = "" if type_.err is None else f"(error {self.of(type_.err)})"
                return self._plain(f"(result {ok} {err})")
            case FixedListType():
                return self._plain(f"(list {self.of(type_.element)} {type_.length})")
        raise AssertionError(type_)

    def _case(self, case):
        return f'(case "{case.name}"{"" if case.type is None else " " + self.of(case.type)})'

    def _plain(self, text):
        name = f"${self.prefix}{len(self.definitions)}"
        self.definitions.append(f"(type {name} {text})")
        return name

    def _named(self, text):
        number, prefix = len(self.definitions), self.prefix
        self.names.append(f"t{number}")
        if self.imported:
            named = f'(import "t{number}" (type ${prefix}{number} (eq $u{prefix}{number})))'
        else:
            named = f'(export ${prefix}{number} "t{number}" (type $u{prefix}{number}))'
        self.definitions.append(f"(type $u{prefix}{number} {text}) {named}")
        return f"${prefix}{number}"


def _quoted(names):
    return " ".join(f'"{name}"' for name in names)


__all__ = [
    "Case",
    "Field",
    "Handles",
    "OracleInstance",
    "TypeText",
    "from_oracle",
    "tagged_variants",
    "to_oracle",
]
