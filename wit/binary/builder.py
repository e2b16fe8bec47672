"""Writes a component definition by definition and counts the index spaces.

Source: component-model specification, Binary.md.
"""

from collections.abc import Mapping, Sequence

from wit.binary import encoding
from wit.binary.definitions import CanonicalOptions, StringEncoding
from wit.binary.sorts import Sort, SortIndex

__all__ = ["ComponentBuilder", "alias_outer_type", "extern_name", "extern_type"]

_PREAMBLE = b"\0asm\x0d\0\x01\0"
_CORE_SORTS = {
    Sort.CORE_FUNCTION: 0x00,
    Sort.CORE_TABLE: 0x01,
    Sort.CORE_MEMORY: 0x02,
    Sort.CORE_MODULE: 0x11,
    Sort.CORE_INSTANCE: 0x12,
}
_SORTS = {Sort.FUNCTION: 0x01, Sort.TYPE: 0x03, Sort.COMPONENT: 0x04, Sort.INSTANCE: 0x05}
_STRING_ENCODINGS = {
    StringEncoding.UTF8: b"\x00",
    StringEncoding.UTF16: b"\x01",
    StringEncoding.LATIN1_UTF16: b"\x02",
}


def extern_name(name: str) -> bytes:
    """Return the name of an import or export."""
    return b"\x00" + encoding.name(name)


def extern_type(sort: Sort, index: int | None) -> bytes:
    """Return what something is: of a type index; a type equals it, or is a resource for None."""
    if index is None:
        assert sort is Sort.TYPE
        return b"\x03\x01"
    bound = b"\x00" if sort is Sort.TYPE else b""
    return bytes([_SORTS[sort]]) + bound + encoding.unsigned(index)


def alias_outer_type(index: int) -> bytes:
    """Return an alias to a type of the scope around the current one."""
    return b"\x03\x02\x01" + encoding.unsigned(index)


def _sort(sort: Sort) -> bytes:
    return bytes([_SORTS[sort]]) if sort in _SORTS else bytes([0x00, _CORE_SORTS[sort]])


def _options(options: CanonicalOptions) -> bytes:
    items = [_STRING_ENCODINGS[options.string_encoding]]
    for code, index in (
        (b"\x03", options.memory),
        (b"\x04", options.realloc),
        (b"\x05", options.post_return),
    ):
        if index is not None:
            items.append(code + encoding.unsigned(index))
    return encoding.vector(items)


class ComponentBuilder:
    """Every method adds one definition and returns its index in the space that it extends."""

    def __init__(self) -> None:
        self._out = bytearray(_PREAMBLE)
        self._section = 0
        self._items: list[bytes] = []
        self._counts = dict.fromkeys(Sort, 0)

    def finish(self) -> bytes:
        """Return the component. Nothing may be added afterwards."""
        self._flush()
        return bytes(self._out)

    def _flush(self) -> None:
        if self._items:
            self._out.append(self._section)
            self._out += encoding.sized(encoding.vector(self._items))
            self._items = []

    def _add(self, section: int, sort: Sort, item: bytes) -> int:
        if section != self._section:
            self._flush()
            self._section = section
        self._items.append(item)
        return self._next(sort)

    def _next(self, sort: Sort) -> int:
        index = self._counts[sort]
        self._counts[sort] += 1
        return index

    def core_module(self, module: bytes) -> int:
        """Embed a core module."""
        self._flush()
        self._out.append(0x01)
        self._out += encoding.sized(module)
        return self._next(Sort.CORE_MODULE)

    def core_instantiate(self, module: int, arguments: Mapping[str, int]) -> int:
        """Instantiate a core module; arguments are core instances by module name."""
        items = [
            encoding.name(name) + b"\x12" + encoding.unsigned(instance)
            for name, instance in arguments.items()
        ]
        body = b"\x00" + encoding.unsigned(module) + encoding.vector(items)
        return self._add(0x02, Sort.CORE_INSTANCE, body)

    def core_bundle(self, exports: Mapping[str, SortIndex]) -> int:
        """Make a core instance of definitions."""
        items = [
            encoding.name(name) + bytes([_CORE_SORTS[each.sort]]) + encoding.unsigned(each.index)
            for name, each in exports.items()
        ]
        return self._add(0x02, Sort.CORE_INSTANCE, b"\x01" + encoding.vector(items))

    def alias_core(self, sort: Sort, instance: int, name: str) -> int:
        """Take an export of a core instance."""
        body = _sort(sort) + b"\x01" + encoding.unsigned(instance) + encoding.name(name)
        return self._add(0x06, sort, body)

    def alias(self, sort: Sort, instance: int, name: str) -> int:
        """Take an export of an instance."""
        body = _sort(sort) + b"\x00" + encoding.unsigned(instance) + encoding.name(name)
        return self._add(0x06, sort, body)

    def type(self, definition: bytes) -> int:
        """Define a type."""
        return self._add(0x07, Sort.TYPE, definition)

    def import_(self, name: str, sort: Sort, index: int | None) -> int:
        """Import something of a type, as `extern_type` has it."""
        return self._add(0x0A, sort, extern_name(name) + extern_type(sort, index))

    def export(self, name: str, sort: Sort, index: int, *, described: int | None = None) -> int:
        """Export a definition, or show it as of the type `described`."""
        body = extern_name(name) + _sort(sort) + encoding.unsigned(index)
        shown = b"\x00" if described is None else b"\x01" + extern_type(sort, described)
        return self._add(0x0B, sort, body + shown)

    def component(self, component: bytes) -> int:
        """Nest a component."""
        self._flush()
        self._out.append(0x04)
        self._out += encoding.sized(component)
        return self._next(Sort.COMPONENT)

    def instantiate(self, component: int, arguments: Sequence[tuple[str, SortIndex]]) -> int:
        """Instantiate a nested component."""
        items = [
            encoding.name(name) + _sort(each.sort) + encoding.unsigned(each.index)
            for name, each in arguments
        ]
        body = b"\x00" + encoding.unsigned(component) + encoding.vector(items)
        return self._add(0x05, Sort.INSTANCE, body)

    def lift(self, core_function: int, options: CanonicalOptions, type_: int) -> int:
        """Make a core function a component function."""
        body = b"\x00\x00" + encoding.unsigned(core_function) + _options(options)
        return self._add(0x08, Sort.FUNCTION, body + encoding.unsigned(type_))

    def lower(self, function: int, options: CanonicalOptions) -> int:
        """Make a component function a core function."""
        body = b"\x01\x00" + encoding.unsigned(function) + _options(options)
        return self._add(0x08, Sort.CORE_FUNCTION, body)

    def resource_function(self, operation: str, resource: int) -> int:
        """Add `new`, `drop` or `rep` of a resource type as a core function."""
        code = {"new": 0x02, "drop": 0x03, "rep": 0x04}[operation]
        return self._add(0x08, Sort.CORE_FUNCTION, bytes([code]) + encoding.unsigned(resource))

    def resource(self, destructor: int | None) -> int:
        """Define a resource represented by i32, with the core function that destroys it."""
        suffix = b"\x00" if destructor is None else b"\x01" + encoding.unsigned(destructor)
        return self.type(b"\x3f\x7f" + suffix)
