"""Evolution: what changed between two worlds, and for whom it breaks something.

The rules with their reasons are written down in `docs/EVOLUTION.md`.
"""

from collections.abc import Iterable, Iterator
from enum import Enum

from msgspec import Struct

from wit.names import base_name, is_hidden_function, is_hidden_interface
from wit.reading import reading_obstacle
from wit.signatures import function_type_text
from wit.subtype import same_function
from wit.types import FunctionType, OptionType
from wit.versions import Version, is_compatible
from wit.world import Function, Interface, World

__all__ = ["Bump", "Change", "Report", "Verdict", "compat"]


class Verdict(Enum):
    """For whom a change is harmless."""

    COMPATIBLE = "compatible"
    """For everybody."""
    MESSAGES = "messages"
    """For those who call by message; components that are linked to the old one break."""
    BREAKING = "breaking"
    """For nobody who relies on what changed."""


class Bump(Enum):
    """Which part of a semantic version has to change."""

    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"


class Change(Struct, frozen=True):
    """One difference. `place` is the full name of what changed, `reason` is for people."""

    place: str
    verdict: Verdict
    reason: str


class Report(Struct, frozen=True):
    """All differences, exports before imports."""

    changes: tuple[Change, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all changes."""
        for verdict in (Verdict.BREAKING, Verdict.MESSAGES):
            if any(change.verdict is verdict for change in self.changes):
                return verdict
        return Verdict.COMPATIBLE

    @property
    def bump(self) -> Bump:
        """The version bump that the changes call for. Linked users count too."""
        if not self.changes:
            return Bump.PATCH
        return Bump.MINOR if self.verdict is Verdict.COMPATIBLE else Bump.MAJOR


def compat(old: World, new: World) -> Report:
    """Compare a component's new world with its old one, from the side of those who use it."""
    changes = [
        *_exports(old, new),
        *_export_functions(old.export_functions, new.export_functions, ""),
        *_imports(old, new),
        *_import_functions(old.import_functions, new.import_functions, ""),
    ]
    return Report(tuple(changes))


def _exports(old: World, new: World) -> Iterator[Change]:
    before = [each for each in old.export_interfaces if not is_hidden_interface(each)]
    after = [each for each in new.export_interfaces if not is_hidden_interface(each)]
    pairs, removed, added = _paired(before, after)
    for interface in removed:
        yield Change(interface.name, Verdict.BREAKING, "the interface is no longer exported")
    for interface in added:
        yield Change(interface.name, Verdict.COMPATIBLE, "a new interface is exported")
    for mine, other in pairs:
        yield from _version_change(mine, other, "exported")
        yield from _export_functions(mine.functions, other.functions, f"{other.name}.")
        for resource in mine.resources:
            if resource not in other.resources:
                reason = "the resource is no longer exported"
                yield Change(f"{other.name}.{resource}", Verdict.BREAKING, reason)


def _imports(old: World, new: World) -> Iterator[Change]:
    pairs, removed, added = _paired(old.import_interfaces, new.import_interfaces)
    for interface in removed:
        yield Change(interface.name, Verdict.COMPATIBLE, "the interface is no longer imported")
    for interface in added:
        reason = "a new interface is imported: whoever runs or links the component must provide it"
        yield Change(interface.name, Verdict.BREAKING, reason)
    for mine, other in pairs:
        yield from _version_change(mine, other, "imported")
        yield from _import_functions(mine.functions, other.functions, f"{other.name}.")


def _paired(
    old: Iterable[Interface], new: Iterable[Interface]
) -> tuple[list[tuple[Interface, Interface]], list[Interface], list[Interface]]:
    """Pair interfaces of equal names, then those that differ in their versions alone."""
    pending = {each.name: each for each in new}
    pairs: list[tuple[Interface, Interface]] = []
    removed: list[Interface] = []
    for mine in (kept := list(old)):
        if mine.name in pending:
            pairs.append((mine, pending.pop(mine.name)))
    paired = {mine.name for mine, _ in pairs}
    for mine in kept:
        if mine.name in paired:
            continue
        head = mine.name.partition("@")[0]
        other = next((name for name in pending if name.partition("@")[0] == head), None)
        if other is None:
            removed.append(mine)
        else:
            pairs.append((mine, pending.pop(other)))
    return pairs, removed, list(pending.values())


def _version_change(old: Interface, new: Interface, way: str) -> Iterator[Change]:
    if old.name == new.name:
        return
    before, after = (name.partition("@")[2] for name in (old.name, new.name))
    if before and after and is_compatible(Version(after), Version(before)):
        reason = (
            f"the interface is {way} as version {after} instead of {before}, compatible with it"
        )
        yield Change(old.name, Verdict.COMPATIBLE, reason)
    else:
        reason = (
            f"the interface is {way} as version {after or 'none'} instead of {before or 'none'}:"
            " full names with the old version find nothing"
        )
        yield Change(old.name, Verdict.BREAKING, reason)


def _by_name(functions: Iterable[Function], prefix: str) -> dict[str, Function]:
    return {
        f"{prefix}{{{base_name(each)}}}": each
        for each in functions
        if not is_hidden_function(each.name)
    }


def _export_functions(
    old: Iterable[Function], new: Iterable[Function], prefix: str
) -> Iterator[Change]:
    before, after = _by_name(old, prefix), _by_name(new, prefix)
    for name in before:
        if name not in after:
            yield Change(name, Verdict.BREAKING, "the function is no longer exported")
    for name, function in after.items():
        if name not in before:
            yield Change(name, Verdict.COMPATIBLE, "a new function is exported")
        elif not same_function(before[name].type, function.type):
            yield _changed(name, before[name].type, function.type)


def _import_functions(
    old: Iterable[Function], new: Iterable[Function], prefix: str
) -> Iterator[Change]:
    before, after = _by_name(old, prefix), _by_name(new, prefix)
    for name in before:
        if name not in after:
            yield Change(name, Verdict.COMPATIBLE, "the function is no longer imported")
    for name, function in after.items():
        if name not in before:
            reason = "a new function is imported: whoever runs or links the component must have it"
            yield Change(name, Verdict.BREAKING, reason)
        elif not same_function(before[name].type, function.type):
            reason = f"it is imported as {function_type_text(function.type)} now"
            yield Change(name, Verdict.BREAKING, reason)


def _changed(name: str, old: FunctionType, new: FunctionType) -> Change:
    """Judge a changed function: parameters are read by the new one, results by old callers."""
    obstacle = _parameter_obstacle(old, new) or _result_obstacle(old, new)
    if obstacle is not None:
        return Change(name, Verdict.BREAKING, obstacle)
    reason = f"it is {function_type_text(new)} now, and understands messages for the old type"
    return Change(name, Verdict.MESSAGES, reason)


def _parameter_obstacle(old: FunctionType, new: FunctionType) -> str | None:
    if len(new.parameters) < len(old.parameters):
        return f"parameter {old.parameters[len(new.parameters)].name} is gone"
    for mine, other in zip(old.parameters, new.parameters, strict=False):
        if mine.name != other.name:
            return f"parameter {mine.name} is called {other.name}: calls by name break"
        obstacle = reading_obstacle(other.type, mine.type)
        if obstacle is not None:
            return f"parameter {mine.name}: {obstacle}"
    for added in new.parameters[len(old.parameters) :]:
        if not isinstance(added.type, OptionType):
            return f"parameter {added.name} is new and required"
    return None


def _result_obstacle(old: FunctionType, new: FunctionType) -> str | None:
    if old.result is None:
        # Who expected nothing ignores what comes.
        return None
    if new.result is None:
        return "the result is gone"
    obstacle = reading_obstacle(old.result, new.result)
    return None if obstacle is None else f"result: {obstacle}"
