"""Components ready to run: loaded, linked, calls resolved; one per version."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

from actors.calls import CallTable
from actors.components import ComponentRecord, ComponentStore, Linked
from actors.durability import bind
from actors.engine.port import Component, HostCall, HostResolver, Program
from actors.host.declared import require_declared_types
from actors.host.files.initial import InitialFile
from actors.host.resolver import TableResolver
from actors.host.rpc.client import ClientInterface
from actors.memory_policy import parse_memory
from actors.metrics import Metrics
from actors.quota_policy import parse_quota
from actors.retry import parse_retry
from actors.snapshot_policy import parse_policy
from wit.types import FunctionType, ResourceName

__all__ = ["PROGRAMS_MAX", "Prepared", "Programs", "check", "link"]

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
        self.memory = parse_memory(record.memory)
        self.quota = parse_quota(record.quota)
        self.retry = parse_retry(record.retry) if record.retry else None
        self.read_only = frozenset(record.read_only)
        """Full names of the functions that run beside the queue."""
        self.fixed_files = {
            hashlib.sha256(file.data).hexdigest(): file.data
            for file in files
            if not file.is_writable
        }

    @property
    def is_ephemeral(self) -> bool:
        """Whether each invocation gets an instance of its own, which nothing brings back."""
        return self.record.kind == "ephemeral"


@final
class Programs:
    """Prepares components on demand."""

    def __init__(self, components: ComponentStore) -> None:
        self.components = components
        self.metrics: Metrics | None = None
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
        if self.metrics is not None:
            cache = "miss" if prepared is None else "hit"
            self.metrics.loads.add(1, {"shem.cache": cache})
        if prepared is None:
            begun = time.perf_counter()
            component = await self.components.load(record)
            files = await self.components.files(record)
            linked = await self.components.linked(record.name, record.links, component)
            prepared = Prepared(record, component, link(component, linked), files)
            self._prepared[key] = prepared
            if self.metrics is not None:
                took = time.perf_counter() - begun
                self.metrics.load_duration.record(took, {"shem.component": name})
            while len(self._prepared) > PROGRAMS_MAX:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(key)
        return prepared


def check(component: Component, linked: Mapping[str, Linked]) -> None:
    """Refuse what could not be run: the check of an upload.

    Raises:
        ImportTypesError: it imports host functions with other types than theirs.
        MissingImportsError: as `link`.
    """
    require_declared_types(component.world)
    link(component, linked)


def link(component: Component, linked: Mapping[str, Linked]) -> Program:
    """Bind a component's imports to the host interfaces, and client interfaces to other components.

    Raises:
        MissingImportsError: it imports what neither the host nor a linked component provides.
    """
    interfaces = {each.name: each for each in component.world.import_interfaces}
    clients = [
        ClientInterface(interfaces[name], target.component, target.world)
        for name, target in linked.items()
    ]
    return component.link(_Resolver(clients, TableResolver(bind)))


@final
class _Resolver:
    """Asks the client interfaces first."""

    def __init__(self, clients: Sequence[ClientInterface], table: TableResolver) -> None:
        self._parts: tuple[HostResolver, ...] = (*clients, table)

    def function(self, interface: str | None, name: str, type_: FunctionType) -> HostCall | None:
        found = (part.function(interface, name, type_) for part in self._parts)
        return next((each for each in found if each is not None), None)

    def drop(self, resource: ResourceName) -> Callable[[Any, Any], None] | None:
        found = (part.drop(resource) for part in self._parts)
        return next((each for each in found if each is not None), None)
