"""One component, or one type with declarators, while it is checked."""

from enum import Enum

from actors.engine.validate.entities import Entity, Item, Resource
from actors.engine.validate.names import Names
from actors.engine.validate.resources import Resources, is_value_type
from actors.engine.validate.visibility import Visibility
from wit.binary.scope import Scope
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.types import ResourceName, Type

__all__ = ["CheckedScope", "ScopeKind"]


class ScopeKind(Enum):
    """What has index spaces of its own."""

    COMPONENT = "component"
    COMPONENT_TYPE = "component type"
    INSTANCE_TYPE = "instance type"


class CheckedScope(Scope[Entity]):
    """Index spaces, and what is known of names and resources. Implements `TypeSpace`.

    `unknown` are the resources that imports (or, in instance types, exports) bring; `own` those
    that the component defines.
    """

    def __init__(
        self, parent: "CheckedScope | None", kind: ScopeKind, resources: Resources
    ) -> None:
        super().__init__(parent)
        self.enclosing = parent
        self.kind = kind
        self.resources = resources
        self.imports: dict[str, Item] = {}
        self.exports: dict[str, Item] = {}
        self.unknown: set[ResourceName] = set()
        self.own: set[ResourceName] = set()
        # Exports may use what is imported, imports what was imported before.
        self.imported = Visibility()
        self.visible = Visibility()
        self.import_names = Names("import", {}, resources)
        self.export_names = Names("export", {}, resources)

    def value_type(self, index: int, offset: int) -> Type:
        """Return the value type of that index."""
        found = self.get(Sort.TYPE, index, offset)
        if not is_value_type(found):
            raise BinaryError(f"type {index} is no value type", offset=offset)
        return found

    def resource_name(self, index: int, offset: int) -> ResourceName:
        """Return the name of the resource of that index."""
        return self.get_a(Resource, Sort.TYPE, index, offset).name
