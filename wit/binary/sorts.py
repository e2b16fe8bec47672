"""The index spaces of a component.

Every component, and every component or instance type, has one index space per sort. A space grows
in file order: each definition that extends it takes the next index, and may refer to earlier
indices only. `wit.binary.definitions.extends` says which space a definition extends.

Source: component-model specification, Explainer.md, "Index Spaces".
"""

from enum import Enum

from msgspec import Struct

__all__ = ["Sort", "SortIndex"]


class Sort(Enum):
    """What an index counts. The value is the keyword of the text format."""

    CORE_FUNCTION = "core func"
    CORE_TABLE = "core table"
    CORE_MEMORY = "core memory"
    CORE_GLOBAL = "core global"
    CORE_TAG = "core tag"
    CORE_TYPE = "core type"
    CORE_MODULE = "core module"
    CORE_INSTANCE = "core instance"
    FUNCTION = "func"
    VALUE = "value"
    TYPE = "type"
    COMPONENT = "component"
    INSTANCE = "instance"


class SortIndex(Struct, frozen=True):
    """A reference into the index space of `sort`."""

    sort: Sort
    index: int
