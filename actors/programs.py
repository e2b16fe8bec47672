"""Components ready to run: loaded, linked, calls resolved; one per version."""

import hashlib
from collections import OrderedDict
from typing import Final, final

from actors.calls import CallTable
from actors.components import ComponentRecord, ComponentStore
from actors.durability import bind
from actors.engine.port import Component, Program
from actors.host.files.initial import InitialFile
from actors.host.resolver import TableResolver
from actors.snapshot_policy import parse_policy

__all__ = ["PROGRAMS_MAX", "Prepared", "Programs"]

# Linked programs kept; a dropped one is linked again from the engine's own cache.
PROGRAMS_MAX: Final = 256


@final
class Prepared:
    """One component version, linked."""

    def __init__(
        self,
        record: ComponentRecord,
        component: Component,
        program: Program,
        files: tuple[InitialFile, ...],
    ) -> None:
        self.record = record
        self.program = program
        self.files = files
        self.calls = CallTable(component.world)
        self.policy = parse_policy(record.snapshots)
        self.fixed_files = {
            hashlib.sha256(file.data).hexdigest(): file.data
            for file in files
            if not file.is_writable
        }


@final
class Programs:
    """Prepares components on demand."""

    def __init__(self, components: ComponentStore) -> None:
        self.components = components
        self._prepared: OrderedDict[tuple[str, int], Prepared] = OrderedDict()

    async def prepare(self, name: str, version: int | None = None) -> Prepared:
        """Return the newest or a given version of a component, linked.

        Raises:
            ComponentUnknownError: there is no such component or version.
            ComponentError: it cannot run here (any more).
        """
        record = await self.components.get(name, version)
        key = record.name, record.version
        prepared = self._prepared.get(key)
        if prepared is None:
            component = await self.components.load(record)
            files = await self.components.files(record)
            prepared = Prepared(record, component, link(component), files)
            self._prepared[key] = prepared
            while len(self._prepared) > PROGRAMS_MAX:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(key)
        return prepared


def link(component: Component) -> Program:
    """Bind a component's imports to the host interfaces.

    Raises:
        MissingImportsError: it imports what the host does not provide.
    """
    return component.link(TableResolver(bind))
