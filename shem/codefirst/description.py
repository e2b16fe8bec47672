"""What a typed Python class says about its component, as WIT text.

Looks at annotations alone: functions are named, never called.
"""

import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias, final

from msgspec import Struct

from shem.codefirst.names import identifier, kebab
from shem.errors import BuildError

__all__ = ["Described", "DescribedFunction", "DescribedResource", "describe"]

_PLAIN: Final[dict[Any, str]] = {
    bool: "bool",
    int: "s64",
    float: "f64",
    str: "string",
    bytes: "list<u8>",
}
_WIDTHS: Final = frozenset(
    ["u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64", "char"]
)
_NONE: Final = type(None)
Marks: TypeAlias = Any
"""The module `shem_component`, which the user's module imported."""


class DescribedFunction(Struct, frozen=True, kw_only=True):
    """A method: its name in Python, its name in WIT, and its type as WIT text."""

    python: str
    name: str
    signature: str
    parameters: tuple[str, ...]
    docs: str = ""
    static: bool = False


class DescribedResource(Struct, frozen=True, kw_only=True):
    """A class of which callers hold handles."""

    python: str
    name: str
    constructor: DescribedFunction
    functions: tuple[DescribedFunction, ...]
    docs: str = ""


class Described(Struct, frozen=True, kw_only=True):
    """A component: its class, its interface, the WIT of its types in order of need."""

    python: str
    interface: str
    types: tuple[str, ...]
    resources: tuple[DescribedResource, ...]
    functions: tuple[DescribedFunction, ...]
    docs: str = ""


def describe(module: types.ModuleType, marks: Marks) -> Described:
    """Return the description of the component in a module.

    Raises:
        BuildError: no class is marked, or several, or a type has no counterpart in WIT.
    """
    marked = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and "__shem_component__" in vars(each)
        and each.__module__ == module.__name__
    ]
    if len(marked) != 1:
        names = ", ".join(each.__name__ for each in marked) or "none is"
        raise BuildError(f"expected one class marked @component, {names}")
    return _Describer(module, marks).component(marked[0])


@final
class _Describer:
    def __init__(self, module: types.ModuleType, marks: Marks) -> None:
        self._marks = marks
        self._module = module
        self._types: dict[Any, str] = {}
        self._texts: list[str] = []
        self._names: dict[str, Any] = {}
        self._resources: dict[type, DescribedResource | None] = {}
        # A union has no name of its own: that of the alias in the module is taken.
        self._aliases = {value: name for name, value in vars(module).items() if _is_union(value)}

    def component(self, cls: Any) -> Described:
        _refuse_parameters(cls)
        functions = self._methods(cls)
        for each in functions:
            if each.static:
                raise BuildError(
                    f"{cls.__name__}.{each.python}: only resources have static methods in WIT"
                )
            if each.name in self._names:
                raise BuildError(
                    f'{cls.__name__}.{each.python}: a type is called "{each.name}" in WIT, too;'
                    " rename one of them"
                )
        return Described(
            python=cls.__name__,
            interface=kebab(cls.__shem_component__),
            types=tuple(self._texts),
            resources=tuple(each for each in self._resources.values() if each is not None),
            functions=tuple(functions),
            docs=_docs(cls),
        )

    def _methods(self, cls: type) -> list[DescribedFunction]:
        found: list[DescribedFunction] = []
        for name, member in inspect.getmembers_static(cls):
            if name.startswith("_") or not _is_function(member):
                continue
            static = isinstance(member, staticmethod)
            if isinstance(member, classmethod):
                raise BuildError(f"{cls.__name__}.{name}: a class method cannot be exported")
            function = member.__func__ if static else member
            found.append(self._function(cls, name, function, static=static))
        order = list(vars(cls))
        return sorted(
            found, key=lambda each: order.index(each.python) if each.python in order else 0
        )

    def _function(
        self, cls: type, name: str, function: Callable[..., Any], *, static: bool
    ) -> DescribedFunction:
        place = f"{cls.__name__}.{name}"
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise BuildError(
                f"{place}: nobody would wait for an async function; let it be an ordinary one that"
                " returns shem_loop.run(…)"
            )
        hints = self._hints(function, place)
        parameters = list(inspect.signature(function).parameters.values())
        if not static:
            parameters = parameters[1:]
        texts: list[str] = []
        for parameter in parameters:
            if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
                raise BuildError(f"{place}: *{parameter.name} has no counterpart in WIT")
            if parameter.kind is parameter.KEYWORD_ONLY:
                raise BuildError(
                    f"{place}: {parameter.name} stands behind a *, but parameters have an order"
                    " in WIT"
                )
            if parameter.name not in hints:
                raise BuildError(f"{place}: parameter {parameter.name} has no type")
            text = self._type(hints[parameter.name], f"{place}({parameter.name})", borrowed=True)
            texts.append(f"{identifier(kebab(parameter.name))}: {text}")
        result = hints.get("return", _NONE)
        arrow = "" if result is _NONE else f" -> {self._type(result, f'{place}() ->')}"
        return DescribedFunction(
            python=name,
            name=kebab(name),
            signature=f"({', '.join(texts)}){arrow}",
            parameters=tuple(each.name for each in parameters),
            docs=_docs(function),
            static=static,
        )

    def _hints(self, function: Callable[..., Any], place: str) -> dict[str, Any]:
        try:
            return typing.get_type_hints(function, include_extras=True)
        except (NameError, TypeError, AttributeError) as error:
            raise BuildError(f"{place}: cannot understand its types: {error}") from error

    def _type(self, hint: Any, place: str, *, borrowed: bool = False) -> str:
        if typing.get_origin(hint) is Annotated:
            base, *notes = typing.get_args(hint)
            widths = [each for each in notes if each in _WIDTHS]
            return widths[0] if widths else self._type(base, place, borrowed=borrowed)
        if hint in _PLAIN:
            return _PLAIN[hint]
        if getattr(hint, "__shem_resource__", False):
            name = identifier(self._resource(hint))
            return f"borrow<{name}>" if borrowed else name
        if isinstance(hint, type) and not isinstance(hint, types.GenericAlias):
            return identifier(self._named(hint, place))
        if _is_union(hint):
            return self._union(hint, place)
        return self._generic(hint, place)

    def _generic(self, hint: Any, place: str) -> str:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        inner = [
            "_" if each is _NONE and origin is self._marks.Result else self._type(each, place)
            for each in arguments
            if each is not Ellipsis
        ]
        if origin is list and len(inner) == 1:
            return f"list<{inner[0]}>"
        if origin is dict and len(inner) == 2:
            return f"list<tuple<{inner[0]}, {inner[1]}>>"
        if origin is tuple and inner and Ellipsis not in arguments:
            return f"tuple<{', '.join(inner)}>"
        if origin is tuple and len(inner) == 1:
            return f"list<{inner[0]}>"
        if origin is self._marks.Result and len(inner) == 2:
            return "result" if inner == ["_", "_"] else f"result<{', '.join(inner)}>"
        raise BuildError(f"{place}: {_shown(hint)} has no counterpart in WIT")

    def _union(self, hint: Any, place: str) -> str:
        members = [each for each in typing.get_args(hint) if each is not _NONE]
        optional = len(members) < len(typing.get_args(hint))
        if len(members) == 1:
            return f"option<{self._type(members[0], place)}>"
        rest = _union_of(members)
        variant = identifier(self._variant(rest, members, place))
        return f"option<{variant}>" if optional else variant

    def _variant(self, hint: Any, members: list[Any], place: str) -> str:
        alias = self._aliases.get(hint)
        if alias is None:
            raise BuildError(
                f"{place}: the union {_shown(hint)} needs a name: write"
                " `Name: TypeAlias = …` in the module"
            )
        name = kebab(alias)
        if hint in self._types:
            return name
        self._take_name(name, hint, place)
        cases: list[str] = []
        for member in members:
            if not _is_record(member):
                raise BuildError(f"{place}: {_shown(member)} in {alias} is no dataclass")
            case = identifier(kebab(member.__name__))
            payload = self._named(member, place) if dataclasses.fields(member) else None
            cases.append(case if payload is None else f"{case}({identifier(payload)})")
        self._add(hint, f"variant {identifier(name)} {{ {', '.join(cases)} }}")
        return name

    def _named(self, hint: Any, place: str) -> str:
        if hint in self._types:
            return self._types[hint]
        if issubclass(hint, enum.Enum):
            members = ", ".join(identifier(kebab(each)) for each in hint.__members__)
            kind = "flags" if issubclass(hint, enum.Flag) else "enum"
            return self._declare(hint, f"{kind} @ {{ {members} }}", place)
        if not _is_record(hint):
            raise BuildError(
                f"{place}: {_shown(hint)} has no counterpart in WIT; make it a dataclass"
            )
        # Before its fields, so that a record that holds itself is found out.
        name = kebab(hint.__name__)
        self._take_name(name, hint, place)
        hints = self._hints_of(hint, place)
        self._types[hint] = name
        fields = [
            f"{identifier(kebab(each.name))}: "
            f"{self._field(hints[each.name], hint, f'{hint.__name__}.{each.name}')}"
            for each in dataclasses.fields(hint)
        ]
        if not fields:
            raise BuildError(f"{place}: {hint.__name__} has no fields, and WIT no empty records")
        self._add(hint, f"record {identifier(name)} {{ {', '.join(fields)} }}")
        return name

    def _field(self, hint: Any, owner: Any, place: str) -> str:
        if owner in _parts(hint):
            raise BuildError(f"{place}: {owner.__name__} holds itself, which WIT cannot say")
        return self._type(hint, place)

    def _hints_of(self, hint: Any, place: str) -> dict[str, Any]:
        try:
            return typing.get_type_hints(hint, include_extras=True)
        except (NameError, TypeError) as error:
            raise BuildError(f"{place}: cannot understand {hint.__name__}: {error}") from error

    def _declare(self, hint: Any, text: str, place: str) -> str:
        name = kebab(hint.__name__)
        self._take_name(name, hint, place)
        self._add(hint, text.replace("@", identifier(name), 1))
        return name

    def _add(self, hint: Any, text: str) -> None:
        docs = _docs(hint) if isinstance(hint, type) else ""
        self._types[hint] = kebab(self._aliases.get(hint) or hint.__name__)
        self._texts.append("".join(f"/// {line}\n" for line in docs.splitlines()) + text)

    def _take_name(self, name: str, hint: Any, place: str) -> None:
        if self._names.setdefault(name, hint) is not hint:
            raise BuildError(f'{place}: two types would both be called "{name}" in WIT')

    def _resource(self, cls: Any) -> str:
        name = kebab(cls.__name__)
        if cls in self._resources:
            return name
        self._take_name(name, cls, cls.__name__)
        # Its methods may take and return resources of the same class.
        self._resources[cls] = None
        initial = cls.__init__ if "__init__" in vars(cls) else _nothing
        constructor = self._function(cls, "__init__", initial, static=False)
        self._resources[cls] = DescribedResource(
            python=cls.__name__,
            name=name,
            constructor=constructor,
            functions=tuple(self._methods(cls)),
            docs=_docs(cls),
        )
        return name


def _refuse_parameters(cls: Any) -> None:
    # The one object of the class is made without anything that could be passed to it.
    for each in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        is_named = each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}
        if is_named and each.default is each.empty:
            raise BuildError(f"{cls.__name__}.__init__: nobody gives {each.name} to a component")


def _nothing(self: object) -> None:
    """Stand for a constructor that a class does not have."""


def _is_record(what: Any) -> bool:
    return isinstance(what, type) and dataclasses.is_dataclass(what)


def _is_function(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, staticmethod | classmethod)


def _is_union(hint: object) -> bool:
    return typing.get_origin(hint) in {typing.Union, types.UnionType}


def _union_of(members: list[Any]) -> Any:
    union, *others = members
    for each in others:
        union |= each
    return union


def _parts(hint: Any) -> set[Any]:
    found = {hint}
    for each in typing.get_args(hint):
        found |= _parts(each) if not isinstance(each, str) else set()
    return found


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _docs(what: Any) -> str:
    docs = what.__doc__ or ""
    generated = _is_record(what) and docs.startswith(f"{what.__name__}(")
    inherited = isinstance(what, type) and issubclass(what, enum.Enum) and docs == enum.Enum.__doc__
    return "" if generated or inherited else inspect.cleandoc(docs)
