"""Typed Python clients of other components, as source text made from their client's WIT."""

from collections.abc import Iterable
from typing import Final, final

from shem.build.wit_sources import Client, standard_packages
from shem.codefirst.names import class_name
from shem.errors import BuildError
from wit.errors import WitError
from wit.text.resolver import resolve
from wit.types import (
    Borrow,
    EnumType,
    FixedListType,
    FlagsType,
    FunctionType,
    ListType,
    MapType,
    OptionType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
)
from wit.world import Function, Interface

__all__ = ["client_module", "module_name"]

_PRIMITIVES: Final = {
    Primitive.BOOL: "bool",
    Primitive.F32: "float",
    Primitive.F64: "float",
    Primitive.CHAR: "str",
    Primitive.STRING: "str",
}
_BLOCKING: Final = "blocking-"


def module_name(component: str) -> str:
    """Return the name of the module for a component, `counter` for `demo:counter`."""
    return component.partition(":")[2].replace("-", "_")


def client_module(client: Client) -> str:
    """Return the source of the module with the clients of a component.

    Raises:
        BuildError: the WIT of the component cannot be understood.
    """
    packages = [*client.packages, *([each] for each in standard_packages()), [client.file]]
    try:
        interface = resolve(packages).interface(client.interface)
    except WitError as error:
        raise BuildError(f"{client.component}: {error}") from error
    assert interface is not None, "a client package has its interface"
    return _Module(client, interface).text()


@final
class _Module:
    def __init__(self, client: Client, interface: Interface) -> None:
        self._client = client
        self._functions = interface.functions
        # Pollables and the like are resources here, too, but nothing that one makes.
        made = {each.name for each in interface.functions}
        self._resources = [each for each in interface.resources if f"[constructor]{each}" in made]
        self._named: dict[str, None] = {}

    def text(self) -> str:
        generated = self._client.interface.partition("/")[2].partition("@")[0].replace("-", "_")
        classes = [self._class(each) for each in self._resources]
        lines = [
            f'"""Clients of {self._client.component}, made from its WIT; do not edit."""\n',
            "from datetime import datetime",
            "from typing import Any\n",
            "from componentize_py_types import Err",
            "from shem_remote import Client, Future, types_of",
            f"from wit_world.imports import {generated} as _generated\n",
            "_types = types_of(_generated)",
            *(f"{name} = _types.{name}" for name in self._named),
        ]
        return "\n".join(lines) + "\n\n" + "\n\n".join(classes) + "\n"

    def _class(self, resource: str) -> str:
        own = class_name(resource)
        # The one interface of a component goes by the name of the component.
        name = (
            own
            if len(self._resources) > 1
            else class_name(module_name(self._client.component).replace("_", "-"))
        )
        lines = [
            f"\nclass {name}(Client):",
            f'    """`{resource}` of workers of {self._client.component}."""',
        ]
        for function in self._functions:
            kind, _, rest = function.name.partition("]")
            target, _, method = rest.partition(".")
            if target != resource:
                continue
            if kind == "[constructor":
                lines += self._constructor(own, function)
            elif kind == "[method" and method.startswith(_BLOCKING):
                lines += self._method(method.removeprefix(_BLOCKING), function)
        return "\n".join(lines)

    def _constructor(self, own: str, function: Function) -> list[str]:
        parameters = self._parameters(function.type.parameters)
        passed = ", ".join(_snake(each.name) for each in function.type.parameters)
        return [
            f"\n    def __init__(self{parameters}) -> None:",
            f"        super().__init__(_generated.{own}({passed}), _types)",
        ]

    def _method(self, name: str, function: Function) -> list[str]:
        type_ = function.type
        given = type_.parameters[1:]
        parameters = self._parameters(given)
        passed = ", ".join(_snake(each.name) for each in given)
        python = _snake(name)
        result = self._result(type_)
        later = ", ".join(part for part in (passed, "self._moment(at)") if part)
        background = f"Future[{result}]" if type_.result is not None else "None"
        call = f"self._remote.{python}({passed})"
        return [
            f"\n    def {python}(self{parameters}) -> {result!r}:",
            f"        return self._remote.blocking_{python}({passed})",
            f"\n    def {python}_async(self{parameters}) -> {background!r}:",
            f"        return {f'Future({call})' if type_.result is not None else call}",
            f"\n    def schedule_{python}(self{parameters}, *, at: datetime) -> Any:",
            f"        return self._remote.schedule_{python}({later})",
        ]

    def _parameters(self, parameters: Iterable[Parameter]) -> str:
        return "".join(f", {_snake(each.name)}: {self._type(each.type)!r}" for each in parameters)

    def _result(self, type_: FunctionType) -> str:
        result = type_.result
        if isinstance(result, ResultType):
            # The bindings return the value, and raise Err.
            return "None" if result.ok is None else self._type(result.ok)
        return "None" if result is None else self._type(result)

    def _type(self, type_: Type) -> str:
        match type_:
            case Primitive():
                return _PRIMITIVES.get(type_, "int")
            case ListType(Primitive.U8) | FixedListType(Primitive.U8):
                return "bytes"
            case ListType(element) | FixedListType(element):
                return f"list[{self._type(element)}]"
            case MapType(key, value):
                return f"dict[{self._type(key)}, {self._type(value)}]"
            case TupleType(elements):
                return f"tuple[{', '.join(self._type(each) for each in elements)}]"
            case OptionType(some):
                return f"{self._type(some)} | None"
            case RecordType() | VariantType() | EnumType() | FlagsType() if type_.name is not None:
                name = class_name(type_.name.name)
                if isinstance(type_, VariantType):
                    cases = (class_name(each.name) for each in type_.cases)
                    self._named.update({f"{name}_{case}": None for case in cases})
                self._named[name] = None
                return name
            case Own(resource) | Borrow(resource):
                return class_name(resource.name)
            case _:
                return "Any"


def _snake(name: str) -> str:
    return name.replace("-", "_")
