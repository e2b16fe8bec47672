"""Connects the class of a component with the bindings: values go over in both directions.

The bindings have classes of their own for records, variants, enums and flags; users of
`shem_component` have theirs. Converters are made once, when the component is built.
"""
# pyright: basic
# It looks at types as values, of which a strict checker knows nothing.

import dataclasses
import enum
import functools
import inspect
import types
import typing
from typing import Annotated, Any

import componentize_py_types as bindings  # pyright: ignore[reportMissingImports] - in guests
import shem_component

__all__ = ["Bridge", "Converters"]

_NONE = type(None)
_NOT_BUILT_IN = (
    "A component has the modules that were imported when it was built:"
    " import this one at the top of a module."
)


class Converters:
    """Converters for the types that a module of the user's names, each made once."""

    def __init__(self, module: Any, generated: Any, wrap: Any = None) -> None:
        self.generated = generated
        self._wrap = wrap
        self._aliases = {value: name for name, value in vars(module).items() if _is_union(value)}
        self._made: dict[tuple[Any, bool], Any] = {}

    def inward(self, hint: Any) -> Any:
        """Return what makes the user's values of what the bindings give; None: they are equal."""
        return self._converter(hint, inward=True)

    def outward(self, hint: Any) -> Any:
        """Return what makes values for the bindings of the user's; None: they are equal."""
        return self._converter(hint, inward=False)

    def _converter(self, hint: Any, *, inward: bool) -> Any:
        """Return what converts values of a type, None if they are the same on both sides."""
        key = hint, inward
        if key not in self._made:
            self._made[key] = self._make(hint, inward=inward)
        return self._made[key]

    def _make(self, hint: Any, *, inward: bool) -> Any:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is Annotated:
            return self._converter(arguments[0], inward=inward)
        if getattr(hint, "__shem_resource__", False):
            return self._resource(hint, inward=inward)
        if _is_union(hint):
            return self._union(hint, arguments, inward=inward)
        if origin is list or (origin is tuple and Ellipsis in arguments):
            return self._list(arguments[0], tuple if origin is tuple else list, inward=inward)
        if origin is tuple:
            return self._tuple(arguments, inward=inward)
        if origin is dict:
            return self._dict(arguments, inward=inward)
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return self._enum(hint, inward=inward)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self._record(hint, _class_name(hint.__name__), inward=inward)
        return None

    def _list(self, element: Any, made: Any, *, inward: bool) -> Any:
        convert = self._converter(element, inward=inward)
        if convert is None:
            return made if inward and made is tuple else (None if inward else list)
        return lambda values: (made if inward else list)(convert(value) for value in values)

    def _tuple(self, parts: Any, *, inward: bool) -> Any:
        converters = [self._converter(part, inward=inward) or _same for part in parts]
        return lambda values: tuple(
            convert(value) for convert, value in zip(converters, values, strict=True)
        )

    def _dict(self, parts: Any, *, inward: bool) -> Any:
        key, value = (self._converter(part, inward=inward) or _same for part in parts)
        if inward:
            return lambda pairs: {key(one): value(other) for one, other in pairs}
        return lambda mapping: [(key(one), value(other)) for one, other in mapping.items()]

    def _enum(self, cls: Any, *, inward: bool) -> Any:
        generated = getattr(self.generated, _class_name(cls.__name__))
        if issubclass(cls, enum.Flag):
            return _flags(list(cls), list(generated), cls if inward else generated, inward)
        pairs = list(zip(cls, generated, strict=True))
        table = {theirs: ours for ours, theirs in pairs} if inward else dict(pairs)
        return table.__getitem__

    def _record(self, cls: Any, generated_name: str, *, inward: bool) -> Any:
        hints = typing.get_type_hints(cls, include_extras=True)
        names = [each.name for each in dataclasses.fields(cls)]
        theirs = [_snake(name) for name in names]
        converters = [self._converter(hints[name], inward=inward) or _same for name in names]
        made = cls if inward else getattr(self.generated, generated_name)
        read, written = (theirs, names) if inward else (names, theirs)
        steps = list(zip(read, written, converters, strict=True))
        return lambda value: made(
            **{name: convert(getattr(value, source)) for source, name, convert in steps}
        )

    def _union(self, hint: Any, arguments: Any, *, inward: bool) -> Any:
        members = [each for each in arguments if each is not _NONE]
        if len(members) == 1:
            convert = self._converter(members[0], inward=inward)
        else:
            convert = self._variant(hint, members, inward=inward)
        if len(members) == len(arguments) or convert is None:
            return convert
        return lambda value: None if value is None else convert(value)

    def _variant(self, hint: Any, members: Any, *, inward: bool) -> Any:
        name = _class_name(self._name_of(hint, members))
        table = {}
        for member in members:
            generated = getattr(self.generated, f"{name}_{_class_name(member.__name__)}")
            empty = not dataclasses.fields(member)
            record = None if empty else self._converter(member, inward=inward)
            if inward:
                table[generated] = _unwrapped(member, record)
            else:
                table[member] = _wrapped(generated, record)
        return lambda value: table[type(value)](value)

    def _name_of(self, hint: Any, members: Any) -> Any:
        for union, alias in self._aliases.items():
            if set(typing.get_args(union)) - {_NONE} == set(members):
                return alias
        raise TypeError(f"no name for {hint}")

    def _resource(self, cls: type, *, inward: bool) -> Any:
        if inward:
            return lambda handle: handle.held
        return lambda held: self._wrap(cls.__name__, held)


class Bridge:
    """The component of a user's module, behind the bindings' module of its interface."""

    def __init__(self, module: Any, generated: Any, wrappers: Any = None) -> None:
        self._module = module
        self._types = Converters(module, generated, lambda *held: wrappers().wrap(*held))
        self._calls: dict[tuple[str, str], Any] = {}
        self._component: Any = None
        for each in vars(module).values():
            if isinstance(each, type) and "__shem_component__" in vars(each):
                self._class = each

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a method of the component; its object is made at the first call."""
        if self._component is None:
            self._component = self._class()
        return self._invoke(self._class, name, self._component, arguments)

    def construct(self, resource: str, *arguments: Any) -> Any:
        """Return a new object of a resource's class."""
        cls = getattr(self._module, resource)
        if "__init__" not in vars(cls):
            return cls()
        made = cls.__new__(cls)
        self._invoke(cls, "__init__", made, arguments)
        return made

    def method(self, resource: str, name: str, held: Any, *arguments: Any) -> Any:
        """Call a method of a resource's object."""
        return self._invoke(getattr(self._module, resource), name, held, arguments)

    def static(self, resource: str, name: str, *arguments: Any) -> Any:
        """Call a static method of a resource's class."""
        return self._invoke(getattr(self._module, resource), name, None, arguments)

    def _invoke(self, cls: type, name: str, held: Any, arguments: tuple[Any, ...]) -> Any:
        key = cls.__name__, name
        prepared = self._calls.get(key)
        if prepared is None:
            prepared = self._calls[key] = self._prepare(cls, name)
        function, inward, outward, failure = prepared
        taken = [
            value if convert is None else convert(value)
            for convert, value in zip(inward, arguments, strict=True)
        ]
        try:
            result = function(*taken) if held is None else function(held, *taken)
        except shem_component.Err as error:
            if failure is None:
                raise
            value = error.value
            raise bindings.Err(value if failure is _same else failure(value)) from None
        except ModuleNotFoundError as error:
            error.add_note(_NOT_BUILT_IN)
            raise
        return result if outward is None else outward(result)

    def _prepare(self, cls: type, name: str) -> Any:
        member = inspect.getattr_static(cls, name)
        function = member.__func__ if isinstance(member, staticmethod) else member
        hints = dict(_hints(function))
        result = hints.pop("return", _NONE)
        inward = [self._types.inward(hint) for hint in hints.values()]
        failure = None
        if typing.get_origin(result) is shem_component.Result:
            result, error = typing.get_args(result)
            failure = self._types.outward(error) or _same
        return function, inward, self._types.outward(result), failure


@functools.cache
def _hints(function: Any) -> dict[str, Any]:
    return typing.get_type_hints(function, include_extras=True)


def _same(value: Any) -> Any:
    return value


def _flags(ours: list[Any], theirs: list[Any], made: Any, inward: bool) -> Any:  # noqa: FBT001 - inside
    pairs = list(zip(theirs, ours, strict=True) if inward else zip(ours, theirs, strict=True))

    def convert(value: Any) -> Any:
        result = made(0)
        for one, other in pairs:
            if one in value:
                result |= other
        return result

    return convert


def _unwrapped(member: Any, record: Any) -> Any:
    return (lambda _: member()) if record is None else (lambda value: record(value.value))


def _wrapped(generated: Any, record: Any) -> Any:
    return (lambda _: generated()) if record is None else (lambda value: generated(record(value)))


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in {typing.Union, types.UnionType}


def _words(name: str) -> list[str]:
    spaced = "".join(
        f"_{letter}"
        if letter.isupper()
        and at
        and (name[at - 1].islower() or name[at - 1].isdigit() or name[at + 1 : at + 2].islower())
        else letter
        for at, letter in enumerate(name)
    )
    return [word.lower() for word in spaced.split("_") if word]


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in _words(name))


def _snake(name: str) -> str:
    return "_".join(_words(name))
