"""Names of imports and exports: which may stand beside each other, and what they promise.

Source: the component-model specification, "Import and Export Definitions".
"""

import re
from typing import Final, final

from actors.engine.validate.entities import Item, Resource
from actors.engine.validate.resources import Resources
from wit.binary.names import check_extern_name, folded_label
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.types import Borrow, FunctionType, Own, ResourceName, ResultType, Type

__all__ = ["Names"]

_IS_LONG: Final = re.compile("[:=]")
_ANNOTATED: Final = re.compile(r"\[(\w+)\](.*)")


@final
class Names:
    """The imports, or the exports, of one scope. `known` are the resources by label."""

    def __init__(self, what: str, known: dict[str, ResourceName], resources: Resources) -> None:
        self._what = what
        self._known = known
        self._resources = resources
        self._taken: dict[str, str] = {}

    def add(self, name: str, item: Item, offset: int) -> None:
        """Take a name.

        Raises:
            BinaryError: it is malformed, too close to another one, or says something of a function
                that its type does not.
        """
        check_extern_name(name, item.sort, offset)
        if name.startswith("[async"):
            raise BinaryError(
                f"the {self._what} {name!r} is an async function, which is not supported; "
                "build the component for WASI 0.2 without async",
                offset=offset,
            )
        key = _key(name)
        before = self._taken.get(key)
        if before is not None:
            also = "" if before == name else f", too close to {before!r}"
            raise BinaryError(f"{self._what} {name!r} stands twice{also}", offset=offset)
        self._taken[key] = name
        match item.entity:
            case Resource(resource) if item.sort is Sort.TYPE:
                self._known[name] = self._resources.same(resource)
            case FunctionType() as function if item.sort is Sort.FUNCTION:
                self._check_function(name, function, offset)
            case _:
                pass

    def _check_function(self, name: str, function: FunctionType, offset: int) -> None:
        match = _ANNOTATED.fullmatch(name)
        if match is None:
            return
        kind, (label, _, _) = match[1], match[2].partition(".")
        resource = self._known.get(label)
        if resource is None:
            raise BinaryError(
                f"{name!r} is about a resource {label!r}, which is not among the {self._what}s",
                offset=offset,
            )
        if kind == "constructor" and not self._makes(function.result, resource):
            raise BinaryError(f"{name!r} does not return its resource", offset=offset)
        if kind == "method" and not self._is_about(function, resource):
            raise BinaryError(
                f"the first parameter of {name!r} is not `self`, borrowed", offset=offset
            )

    def _makes(self, result: Type | None, resource: ResourceName) -> bool:
        match result:
            case Own(name) | ResultType(Own(name)):
                return self._resources.same(name) == resource
            case _:
                return False

    def _is_about(self, function: FunctionType, resource: ResourceName) -> bool:
        if not function.parameters:
            return False
        first = function.parameters[0]
        match first.type:
            case Borrow(name) if first.name == "self":
                return self._resources.same(name) == resource
            case _:
                return False


def _key(name: str) -> str:
    """Return what may stand only once. Bindings of many languages ignore case and annotations."""
    match = _ANNOTATED.fullmatch(name)
    if match is None:
        return name if _IS_LONG.search(name) else folded_label(name)
    rest = folded_label(match[2])
    if match[1] == "constructor":
        return f"[constructor]{rest}"
    resource, _, function = rest.partition(".")
    return resource if resource == function else rest
