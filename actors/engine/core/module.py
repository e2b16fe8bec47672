"""What linking and snapshots need to know of a core module."""

from enum import Enum

from msgspec import Struct

__all__ = [
    "CoreModule",
    "ExternKind",
    "FunctionSignature",
    "GlobalType",
    "MemoryType",
    "ModuleExport",
    "ModuleImport",
    "Section",
    "TableType",
]


class ExternKind(Enum):
    """What a core import or export is. The value is the keyword of the text format."""

    FUNCTION = "func"
    TABLE = "table"
    MEMORY = "memory"
    GLOBAL = "global"
    TAG = "tag"


class FunctionSignature(Struct, frozen=True):
    """Value types by keyword. One that names a type of its module by index begins with `ref `."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]

    def __str__(self) -> str:
        return f"({', '.join(self.parameters)}) -> ({', '.join(self.results)})"


class MemoryType(Struct, frozen=True, kw_only=True):
    """Sizes in pages, or in elements where it stands for a table."""

    minimum: int
    maximum: int | None
    is_64: bool
    is_shared: bool


class TableType(Struct, frozen=True):
    """`element` is a reference type by keyword."""

    element: str
    limits: MemoryType


class GlobalType(Struct, frozen=True):
    """Value type by keyword."""

    type: str
    mutable: bool


class ModuleImport(Struct, frozen=True):
    """`type_index` only for functions."""

    module: str
    name: str
    kind: ExternKind
    type_index: int | None


class ModuleExport(Struct, frozen=True):
    """`index` counts in the space of `kind`, imports first."""

    name: str
    kind: ExternKind
    index: int


class Section(Struct, frozen=True):
    """`header` is where the section code stands, `start` to `end` the content."""

    code: int
    header: int
    start: int
    end: int


class CoreModule(Struct, frozen=True, kw_only=True):
    """Index spaces hold imports first, then definitions.

    `referable` are functions that the module can make references of without exporting them or
    putting them into a table from the start. `plain_types` tells of each type whether it is a
    function type that is equal to any other of that spelling. `has_passive_segments`: it can drop
    segments.
    """

    types: tuple[FunctionSignature | None, ...]
    plain_types: tuple[bool, ...]
    functions: tuple[int, ...]
    tables: tuple[TableType, ...]
    imported_tables: int
    memories: tuple[MemoryType, ...]
    imported_memories: int
    globals: tuple[GlobalType, ...]
    imported_globals: int
    tags: tuple[int, ...]
    imports: tuple[ModuleImport, ...]
    exports: tuple[ModuleExport, ...]
    sections: tuple[Section, ...]
    start_function: int | None
    referable: tuple[int, ...]
    has_elements: bool
    has_passive_segments: bool

    def signature(self, type_index: int) -> FunctionSignature | None:
        """Return the function type of that index, None if there is none."""
        return self.types[type_index] if type_index < len(self.types) else None

    def function_signature(self, index: int) -> FunctionSignature | None:
        """Return the type of a function, None if there is no such function."""
        return self.signature(self.functions[index]) if index < len(self.functions) else None
