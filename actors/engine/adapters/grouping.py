"""Which adapter modules a plan needs, and before which of its steps each can be made.

An adapter uses what exists where its canonical definition stands; it is made right before the first
step that imports it.
"""

from collections.abc import Iterable
from typing import NamedTuple, final

from actors.engine.adapters.calls import write_call, write_drop
from actors.engine.adapters.text import Import, ModuleText
from actors.engine.errors import ComponentError
from actors.engine.limits import ADAPTER_DEPTH_MAX
from actors.engine.plan.model import (
    CoreSource,
    FromInstance,
    FromLowering,
    FromResource,
    LiftedFunction,
    Plan,
)

__all__ = ["AdapterModule", "Adapters"]


class AdapterModule(NamedTuple):
    """`text` imports `imports` in order and exports, by name, what stands for the sources."""

    text: str
    imports: tuple[Import, ...]
    exports: dict[CoreSource, str]


@final
class Adapters:
    """Writes the modules of one plan on demand, each adapter once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._made: set[CoreSource] = set()

    def is_adapted(self, source: CoreSource) -> bool:
        """Return whether the function is made by an adapter."""
        match source:
            case FromInstance():
                return False
            case FromLowering(index):
                return isinstance(self._plan.lowerings[index].target, LiftedFunction)
            case FromResource(index):
                function = self._plan.resource_functions[index]
                if function.operation != "drop" or function.resource.owner is None:
                    return False
                return self._plan.resources[function.resource.index].destructor is not None

    def modules(self, sources: Iterable[CoreSource]) -> list[AdapterModule]:
        """Return the modules to make, in order, so that `sources` exist afterwards.

        Raises:
            ComponentError: adapters of adapters go too deep.
        """
        pending = self._closure(sources)
        made: list[AdapterModule] = []
        while pending:
            if len(made) == ADAPTER_DEPTH_MAX:
                raise ComponentError(
                    f"lowered functions are lifted again more than {ADAPTER_DEPTH_MAX} times"
                )
            ready = [
                each for each in pending if not any(map(pending.__contains__, self._uses(each)))
            ]
            module = ModuleText()
            names: dict[CoreSource, str] = {}
            for number, source in enumerate(ready):
                names[source] = str(number)
                self._write(module, source, names[source])
                del pending[source]
            self._made.update(ready)
            made.append(AdapterModule(module.text(), tuple(module.imports), names))
        return made

    def _closure(self, sources: Iterable[CoreSource]) -> dict[CoreSource, None]:
        """Return the adapters that are needed and not made yet."""
        found: dict[CoreSource, None] = {}
        left = list(sources)
        while left:
            source = left.pop()
            if source in found or source in self._made or not self.is_adapted(source):
                continue
            found[source] = None
            left += self._uses(source)
        return found

    def _uses(self, source: CoreSource) -> list[CoreSource]:
        """Return the core functions that an adapter calls."""
        plan = self._plan
        used: list[CoreSource | None] = []
        match source:
            case FromLowering(index):
                lowering = plan.lowerings[index]
                assert isinstance(lowering.target, LiftedFunction)
                lift = plan.lifts[lowering.target.index]
                used = [lift.target, lift.post_return]
                used += [lift.context.realloc, lowering.context.realloc]
            case FromResource(index):
                used = [plan.resources[plan.resource_functions[index].resource.index].destructor]
            case FromInstance():
                pass
        return [each for each in used if each is not None]

    def _write(self, module: ModuleText, source: CoreSource, name: str) -> None:
        plan = self._plan
        match source:
            case FromLowering(index):
                lowering = plan.lowerings[index]
                assert isinstance(lowering.target, LiftedFunction)
                write_call(module, name, lowering, plan.lifts[lowering.target.index])
            case FromResource(index):
                function = plan.resource_functions[index]
                destructor = plan.resources[function.resource.index].destructor
                assert function.resource.owner is not None
                assert destructor is not None
                write_drop(
                    module,
                    name,
                    index,
                    instance=function.instance,
                    owner=function.resource.owner,
                    target=destructor,
                )
            case FromInstance():
                raise AssertionError(source)
