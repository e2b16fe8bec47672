"""The definitions that a component consists of, in the order of the file.

Order is meaning: a definition may refer to indices that earlier definitions made, and to nothing
else. `extends` tells the index space that grows by a definition; one pass over
`Component.definitions` that appends to a list per sort rebuilds all index spaces.

Every definition carries `offset`, its place in the file, for errors.

Source: component-model specification, Explainer.md, and Binary.md for the encoding.
"""

from enum import Enum
from typing import TypeAlias

from msgspec import Struct

from wit.binary.sorts import Sort, SortIndex
from wit.binary.types import (
    CoreFunctionType,
    CoreGlobalType,
    CoreLimits,
    CoreTableType,
    DefinedType,
    FunctionDefinition,
    ResourceDefinition,
    ValueType,
)

__all__ = [
    "AliasCoreExport",
    "AliasExport",
    "AliasOuter",
    "Argument",
    "BuiltIn",
    "CanonicalOptions",
    "Component",
    "ComponentType",
    "CoreArgument",
    "CoreExport",
    "CoreImport",
    "CoreInline",
    "CoreInstantiate",
    "CoreModule",
    "CoreModuleType",
    "CoreTypeDefinition",
    "Custom",
    "Declarator",
    "Definition",
    "Export",
    "ExportDeclaration",
    "ExternAttributes",
    "ExternType",
    "Import",
    "Inline",
    "InlineExport",
    "InstanceType",
    "Instantiate",
    "Lift",
    "Lower",
    "NestedComponent",
    "ResourceDrop",
    "ResourceNew",
    "ResourceRep",
    "Start",
    "StringEncoding",
    "SubResource",
    "TypeDefinition",
    "ValueDefinition",
    "extends",
]


class StringEncoding(Enum):
    """How strings lie in a guest's memory. The value is the keyword of the text format."""

    UTF8 = "utf8"
    UTF16 = "utf16"
    LATIN1_UTF16 = "latin1+utf16"


# Names and descriptions of imports and exports.


class ExternAttributes(Struct, frozen=True):
    """What may accompany the name of an import or export."""

    implements: str | None = None
    version_suffix: str | None = None
    external_id: str | None = None


class SubResource(Struct, frozen=True):
    """The bound of an abstract type: some resource."""


class ExternType(Struct, frozen=True):
    """What an import must be, or an export is.

    `type` means, by sort:
    FUNCTION, COMPONENT, INSTANCE: an index of the type space.
    CORE_MODULE: an index of the core type space.
    TYPE: the index of the type it equals, or `SubResource` for a new abstract resource.
    VALUE: a value type.
    """

    sort: Sort
    type: ValueType | SubResource


class Import(Struct, frozen=True):
    """Extends the space of `extern.sort`; also a declarator of component types."""

    name: str
    extern: ExternType
    offset: int
    attributes: ExternAttributes = ExternAttributes()


class Export(Struct, frozen=True):
    """Exports `target` and extends the space of its sort by an equal definition.

    `ascribed` is a supertype that the export shows instead of its own.
    """

    name: str
    target: SortIndex
    offset: int
    ascribed: ExternType | None = None
    attributes: ExternAttributes = ExternAttributes()


# Core WebAssembly parts.


class CoreModule(Struct, frozen=True):
    """Bytes `start` to `end` of the file; extends CORE_MODULE. Not looked into."""

    start: int
    end: int
    offset: int


class CoreArgument(Struct, frozen=True):
    """Imports with module name `name` are satisfied by the exports of `instance`."""

    name: str
    instance: int


class CoreInstantiate(Struct, frozen=True):
    """Extends CORE_INSTANCE."""

    module: int
    arguments: tuple[CoreArgument, ...]
    offset: int


class CoreExport(Struct, frozen=True):
    """A core definition under a name."""

    name: str
    target: SortIndex


class CoreInline(Struct, frozen=True):
    """A bundle of core definitions; extends CORE_INSTANCE."""

    exports: tuple[CoreExport, ...]
    offset: int


class CoreImport(Struct, frozen=True):
    """An import or export of a core module type.

    `sort` says what. Functions and tags have a `function_type`, an index of the module type's own
    type space, all others a `type`. Exports have no `module`.
    """

    module: str | None
    name: str
    sort: Sort
    function_type: int | None = None
    type: CoreLimits | CoreTableType | CoreGlobalType | None = None


class CoreModuleType(Struct, frozen=True):
    """`types` are its own core function types; an int is an outer core type of that index."""

    types: tuple[CoreFunctionType | int, ...]
    imports: tuple[CoreImport, ...]
    exports: tuple[CoreImport, ...]


class CoreTypeDefinition(Struct, frozen=True):
    """Extends CORE_TYPE."""

    type: CoreFunctionType | CoreModuleType
    offset: int


# Components and instances.


class NestedComponent(Struct, frozen=True):
    """Extends COMPONENT. Outer aliases inside count outwards from `component`."""

    component: "Component"
    offset: int


class Argument(Struct, frozen=True):
    """The import `name` is satisfied by `target`."""

    name: str
    target: SortIndex


class Instantiate(Struct, frozen=True):
    """Extends INSTANCE."""

    component: int
    arguments: tuple[Argument, ...]
    offset: int


class InlineExport(Struct, frozen=True):
    """A definition under a name, inside a bundle."""

    name: str
    target: SortIndex
    attributes: ExternAttributes = ExternAttributes()


class Inline(Struct, frozen=True):
    """A bundle of definitions; extends INSTANCE."""

    exports: tuple[InlineExport, ...]
    offset: int


class AliasExport(Struct, frozen=True):
    """The export `name` of a component instance; extends `sort`."""

    sort: Sort
    instance: int
    name: str
    offset: int


class AliasCoreExport(Struct, frozen=True):
    """The export `name` of a core instance; extends `sort`, which is a core one."""

    sort: Sort
    instance: int
    name: str
    offset: int


class AliasOuter(Struct, frozen=True):
    """Index `index` of the `count`-th enclosing scope, 0 being the current one; extends `sort`.

    Component and instance types are scopes too. `sort` is TYPE, CORE_TYPE, CORE_MODULE or
    COMPONENT.
    """

    sort: Sort
    count: int
    index: int
    offset: int


# Types with declarators.


class ExportDeclaration(Struct, frozen=True):
    """What an instance of the type exports; extends `extern.sort` inside the type."""

    name: str
    extern: ExternType
    offset: int
    attributes: ExternAttributes = ExternAttributes()


class ComponentType(Struct, frozen=True):
    """A scope of its own with empty index spaces."""

    declarators: tuple["Declarator", ...]


class InstanceType(Struct, frozen=True):
    """A scope of its own with empty index spaces; never holds an `Import`."""

    declarators: tuple["Declarator", ...]


class TypeDefinition(Struct, frozen=True):
    """Extends TYPE."""

    type: DefinedType | FunctionDefinition | ResourceDefinition | ComponentType | InstanceType
    offset: int


Declarator: TypeAlias = (
    CoreTypeDefinition | TypeDefinition | AliasOuter | AliasExport | Import | ExportDeclaration
)
"""An entry of a component or instance type, in file order."""


# Canonical definitions.


class CanonicalOptions(Struct, frozen=True):
    """How values cross between a component and its core module; indices of core spaces."""

    string_encoding: StringEncoding = StringEncoding.UTF8
    memory: int | None = None
    realloc: int | None = None
    post_return: int | None = None
    is_async: bool = False
    callback: int | None = None


class Lift(Struct, frozen=True):
    """A core function made a component function of type index `type`; extends FUNCTION."""

    core_function: int
    options: CanonicalOptions
    type: int
    offset: int


class Lower(Struct, frozen=True):
    """A component function made a core function; extends CORE_FUNCTION."""

    function: int
    options: CanonicalOptions
    offset: int


class ResourceNew(Struct, frozen=True):
    """Makes an own handle from a representation; extends CORE_FUNCTION."""

    resource: int
    offset: int


class ResourceDrop(Struct, frozen=True):
    """Drops a handle; extends CORE_FUNCTION."""

    resource: int
    offset: int
    is_async: bool = False


class ResourceRep(Struct, frozen=True):
    """Reads the representation behind a handle; extends CORE_FUNCTION."""

    resource: int
    offset: int


class BuiltIn(Struct, frozen=True):
    """A built-in of component-model async, threads or error-context; extends CORE_FUNCTION.

    `name` is that of the specification, like `stream.read`. `immediates` are the integers of the
    binary in order: type, memory or table indices, and flags as 0 or 1.
    """

    name: str
    offset: int
    immediates: tuple[int, ...] = ()
    options: CanonicalOptions | None = None
    result: ValueType | None = None


# The rest.


class Start(Struct, frozen=True):
    """Calls `function` with values during instantiation; extends VALUE by `result_count`."""

    function: int
    arguments: tuple[int, ...]
    result_count: int
    offset: int


class ValueDefinition(Struct, frozen=True):
    """A constant: bytes `start` to `end` of the file, not decoded; extends VALUE."""

    type: ValueType
    start: int
    end: int
    offset: int


class Custom(Struct, frozen=True):
    """Bytes `start` to `end` of the file, without the name. Extends nothing."""

    name: str
    start: int
    end: int
    offset: int


Definition: TypeAlias = (
    CoreModule
    | CoreInstantiate
    | CoreInline
    | CoreTypeDefinition
    | NestedComponent
    | Instantiate
    | Inline
    | AliasExport
    | AliasCoreExport
    | AliasOuter
    | TypeDefinition
    | Lift
    | Lower
    | ResourceNew
    | ResourceDrop
    | ResourceRep
    | BuiltIn
    | Start
    | Import
    | Export
    | ValueDefinition
    | Custom
)


class Component(Struct, frozen=True):
    """One component: bytes `start` to `end` of the file, preamble included.

    All offsets count from the start of the whole file, in nested components too.
    """

    definitions: tuple[Definition, ...]
    start: int
    end: int


def extends(definition: Definition | Declarator) -> Sort | None:
    """Return the index space that grows by the definition.

    By one index, except `Start`, which adds `result_count`. None for custom sections.
    """
    match definition:
        case CoreInstantiate() | CoreInline():
            return Sort.CORE_INSTANCE
        case Import() | ExportDeclaration():
            return definition.extern.sort
        case Export():
            return definition.target.sort
        case AliasExport() | AliasCoreExport() | AliasOuter():
            return definition.sort
        case Custom():
            return None
        case _:
            return _SORT_BY_DEFINITION[type(definition)]


_SORT_BY_DEFINITION: dict[type, Sort] = {
    CoreModule: Sort.CORE_MODULE,
    CoreTypeDefinition: Sort.CORE_TYPE,
    NestedComponent: Sort.COMPONENT,
    Instantiate: Sort.INSTANCE,
    Inline: Sort.INSTANCE,
    TypeDefinition: Sort.TYPE,
    Lift: Sort.FUNCTION,
    Lower: Sort.CORE_FUNCTION,
    ResourceNew: Sort.CORE_FUNCTION,
    ResourceDrop: Sort.CORE_FUNCTION,
    ResourceRep: Sort.CORE_FUNCTION,
    BuiltIn: Sort.CORE_FUNCTION,
    Start: Sort.VALUE,
    ValueDefinition: Sort.VALUE,
}
