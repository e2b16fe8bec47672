"""Does a document fit the schema? All that does not is told at once, each with its place.

A walk over the document beside the types of `schema`, as `msgspec.inspect` describes them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast, final

import msgspec
from msgspec import Struct, inspect

from actors.errors import TerminalError
from actors.memory_policy import parse_memory
from actors.quota_policy import parse_quota
from actors.retry import parse_retry
from actors.snapshot_policy import parse_policy
from shem.errors import ManifestError
from shem.manifest.schema import Manifest, Properties
from shem.manifest.source import Document, Step
from shem.problems import Problem
from wit.misfit import shown, unknown_name

__all__ = ["checked", "manifest_of"]

# What components say in a text of its own grammar.
_POLICIES: Final[Mapping[str, Callable[[str], object]]] = {
    "snapshots": parse_policy,
    "retry": parse_retry,
    "memory": parse_memory,
    "quota": parse_quota,
}
_Path = tuple[Step, ...]
T = TypeVar("T", bound=Struct)
# What a struct is called in a message about its fields.
_CALLED: Final = {
    "Manifest": "a manifest",
    "Component": "a component",
    "Properties": "a build profile",
    "ExternalCommand": "a command",
    "InitialFile": "a file",
    "Plugin": "a plugin",
    "PluginManifest": "a plugin",
    "PluginSpecs": "specs",
    "Dependency": "a dependency",
    "HttpApi": "httpApi",
    "Deployment": "a deployment",
    "Profile": "a profile",
}


def manifest_of(document: Document) -> Manifest:
    """Return the manifest that a document holds.

    Raises:
        ManifestError: with all problems of the document.
    """
    return checked(document, Manifest)


def checked(document: Document, type_: type[T]) -> T:
    """Return what a document holds, as the fields of `schema` or of a plugin.

    Raises:
        ManifestError: with all problems of the document.
    """
    check = _Check(document)
    check.value(document.value, inspect.type_info(type_), ())
    if check.problems:
        raise ManifestError(check.problems)
    return msgspec.convert(document.value, type_)


@final
class _Check:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def value(self, value: Any, type_: inspect.Type, path: _Path) -> None:
        match type_:
            case inspect.StructType():
                self._struct(value, type_, path)
            case inspect.DictType():
                self._mapping(value, type_, path)
            case inspect.VarTupleType():
                self._list(value, type_, path)
            case inspect.UnionType():
                self._optional(value, type_, path)
            case inspect.StrType():
                self._text(value, type_, path)
            case inspect.BoolType():
                if not isinstance(value, bool):
                    self._misfit("true or false", value, path)
            case inspect.LiteralType():
                if value not in type_.values:
                    self._misfit(" or ".join(str(each) for each in type_.values), value, path)
            case inspect.AnyType():
                pass
            case _:
                raise AssertionError(f"the schema uses a type that is not checked: {type_}")

    def _struct(self, value: Any, type_: inspect.StructType, path: _Path) -> None:
        called = _CALLED[type_.cls.__name__]
        if not isinstance(value, dict):
            self._misfit(f"the fields of {called}", value, path)
            return
        fields = {each.encode_name: each for each in type_.fields}
        given = cast("dict[str, Any]", value)
        for name, inner in given.items():
            if name in fields:
                self.value(inner, fields[name].type, (*path, name))
                if name in _POLICIES and issubclass(type_.cls, Properties):
                    self._policy(inner, _POLICIES[name], (*path, name))
            else:
                message = unknown_name(f"field of {called}", name, fields)
                self._note(message, (*path, name), at_key=True)
        for name, field in fields.items():
            if field.required and name not in given:
                self._note(f'{called} needs the field "{name}"', path)

    def _mapping(self, value: Any, type_: inspect.DictType, path: _Path) -> None:
        if not isinstance(value, dict):
            self._misfit("names with values", value, path)
            return
        for name, inner in cast("dict[str, Any]", value).items():
            self.value(inner, type_.value_type, (*path, name))

    def _list(self, value: Any, type_: inspect.VarTupleType, path: _Path) -> None:
        if not isinstance(value, list):
            self._misfit("a list", value, path)
            return
        for at, inner in enumerate(_any_list(value)):
            self.value(inner, type_.item_type, (*path, at))

    def _optional(self, value: Any, type_: inspect.UnionType, path: _Path) -> None:
        if value is None:
            return
        (inner,) = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
        self.value(value, inner, path)

    def _text(self, value: Any, type_: inspect.StrType, path: _Path) -> None:
        if not isinstance(value, str):
            hint = "; quote it" if isinstance(value, bool | int | float) else ""
            self._misfit("a text", value, path, hint=hint)
        elif type_.pattern is not None and not re.search(type_.pattern, value):
            self._misfit("an absolute path, beginning with /", value, path)

    def _policy(self, value: Any, parse: Callable[[str], object], path: _Path) -> None:
        """Note what is wrong with a policy here, and not when everything is built and uploaded."""
        if not isinstance(value, str) or not value or "{{" in value:
            return
        try:
            parse(value)
        except (TerminalError, ValueError) as error:
            self._note(str(error), path)

    def _misfit(self, expected: str, value: Any, path: _Path, *, hint: str = "") -> None:
        self._note(f"expected {expected}, got {shown(value)}{hint}", path)

    def _note(self, message: str, path: _Path, *, at_key: bool = False) -> None:
        self.problems.append(self._document.problem(path, message, at_key=at_key))


def _any_list(value: Any) -> list[Any]:
    # The two type checkers disagree on what isinstance() makes of Any.
    return cast("list[Any]", value)
