"""Reads what a core module imports, exports and keeps as state.

Sections with code are skipped: wasmtime validates the module when it compiles it. Here only those
facts are read that linking and snapshots need.
"""

from actors.engine.core.module import (
    CoreModule,
    ExternKind,
    FunctionSignature,
    GlobalType,
    MemoryType,
    ModuleExport,
    ModuleImport,
    Section,
    TableType,
)
from actors.engine.core.segments import (
    function_of,
    read_data_segment,
    read_element_segment,
)
from actors.engine.core.skip import read_limits, read_reference_type, skip_constant_expression
from wit.binary.cursor import Budget, Cursor
from wit.errors import BinaryError

__all__ = ["read_core_module"]

_PREAMBLE = b"\0asm\x01\0\0\0"
_KINDS = (
    ExternKind.FUNCTION,
    ExternKind.TABLE,
    ExternKind.MEMORY,
    ExternKind.GLOBAL,
    ExternKind.TAG,
)
_ITEMS_MAX = 10_000_000


def read_core_module(data: bytes, start: int, end: int) -> CoreModule:
    """Read the module in bytes `start` to `end` of `data`.

    Raises:
        BinaryError: the sections are malformed, with the offset in `data`.
    """
    if data[start : start + 8] != _PREAMBLE:
        raise BinaryError("expected a core module", offset=start)
    reader = _Reader(data, start + 8, end)
    while reader.cursor.position < end:
        reader.section()
    return reader.module()


class _Reader:
    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.cursor = Cursor(data, start, end, Budget(_ITEMS_MAX))
        self.types: list[FunctionSignature | None] = []
        self.plain_types: list[bool] = []
        self.functions: list[int] = []
        self.tables: list[TableType] = []
        self.imported_tables = 0
        self.memories: list[MemoryType] = []
        self.imported_memories = 0
        self.globals: list[GlobalType] = []
        self.imported_globals = 0
        self.tags: list[int] = []
        self.imports: list[ModuleImport] = []
        self.exports: list[ModuleExport] = []
        self.sections: list[Section] = []
        self.start_function: int | None = None
        self.referable: list[int] = []
        self.has_elements = False
        self.has_passive_segments = False

    def module(self) -> CoreModule:
        return CoreModule(
            types=tuple(self.types),
            plain_types=tuple(self.plain_types),
            functions=tuple(self.functions),
            tables=tuple(self.tables),
            imported_tables=self.imported_tables,
            memories=tuple(self.memories),
            imported_memories=self.imported_memories,
            globals=tuple(self.globals),
            imported_globals=self.imported_globals,
            tags=tuple(self.tags),
            imports=tuple(self.imports),
            exports=tuple(self.exports),
            sections=tuple(self.sections),
            start_function=self.start_function,
            referable=tuple(dict.fromkeys(self.referable)),
            has_elements=self.has_elements,
            has_passive_segments=self.has_passive_segments,
        )

    def section(self) -> None:
        outer = self.cursor
        header = outer.position
        code = outer.byte()
        size = outer.u32()
        if size > outer.end - outer.position:
            raise outer.error(f"core section of {size} bytes reaches past the module")
        body = outer.inside(outer.position + size)
        self.sections.append(Section(code, header, body.position, body.end))
        outer.position = body.end
        match code:
            case 1:
                for _ in range(body.count(_ITEMS_MAX)):
                    self._types(body)
            case 2:
                for _ in range(body.count(_ITEMS_MAX)):
                    self._import(body)
            case 3:
                self.functions.extend(body.items(body.u32, _ITEMS_MAX))
            case 4:
                for _ in range(body.count(_ITEMS_MAX)):
                    self._table(body)
            case 5:
                for _ in range(body.count(_ITEMS_MAX)):
                    self.memories.append(read_limits(body))
            case 6:
                for _ in range(body.count(_ITEMS_MAX)):
                    self.globals.append(_global_type(body))
                    function = function_of(body)
                    if function is not None:
                        self.referable.append(function)
            case 7:
                for _ in range(body.count(_ITEMS_MAX)):
                    self.exports.append(_export(body))
            case 8:
                self.start_function = body.u32()
            case 9:
                for _ in range(body.count(_ITEMS_MAX)):
                    self._elements(body)
            case 11:
                for _ in range(body.count(_ITEMS_MAX)):
                    self.has_passive_segments |= read_data_segment(body)
            case 13:
                self.tags.extend(_tag_type(body) for _ in range(body.count(_ITEMS_MAX)))
            case _:
                pass

    def _types(self, body: Cursor) -> None:
        if body.peek() == 0x4E:
            body.byte()
            for _ in range(body.count(_ITEMS_MAX)):
                self._type(body)
                self.plain_types[-1] = False
        else:
            self._type(body)

    def _type(self, body: Cursor) -> None:
        is_plain = True
        if body.peek() in {0x4F, 0x50}:
            is_final = body.byte() == 0x4F
            is_plain = not body.items(body.u32, _ITEMS_MAX) and is_final
        match body.byte():
            case 0x60:
                parameters = body.items(lambda: _value_type(body), _ITEMS_MAX)
                results = body.items(lambda: _value_type(body), _ITEMS_MAX)
                self.types.append(FunctionSignature(parameters, results))
                self.plain_types.append(is_plain)
            case 0x5F:
                for _ in range(body.count(_ITEMS_MAX)):
                    _skip_field(body)
                self.types.append(None)
                self.plain_types.append(False)
            case 0x5E:
                _skip_field(body)
                self.types.append(None)
                self.plain_types.append(False)
            case code:
                raise body.error(f"core type code {code:#04x} is not supported")

    def _import(self, body: Cursor) -> None:
        module, name = body.name(), body.name()
        kind = _kind(body)
        type_index = None
        match kind:
            case ExternKind.FUNCTION:
                type_index = body.u32()
                self.functions.append(type_index)
            case ExternKind.TABLE:
                self.tables.append(_table_type(body))
                self.imported_tables += 1
            case ExternKind.MEMORY:
                self.memories.append(read_limits(body))
                self.imported_memories += 1
            case ExternKind.GLOBAL:
                self.globals.append(_global_type(body))
                self.imported_globals += 1
            case ExternKind.TAG:
                self.tags.append(_tag_type(body))
        self.imports.append(ModuleImport(module, name, kind, type_index))

    def _elements(self, body: Cursor) -> None:
        is_passive, functions = read_element_segment(body, _ITEMS_MAX)
        self.has_elements = True
        self.has_passive_segments |= is_passive
        self.referable.extend(functions)

    def _table(self, body: Cursor) -> None:
        initialised = body.peek() == 0x40
        if initialised:
            body.byte()
            body.expect(0x00, "a table with initial elements")
        self.tables.append(_table_type(body))
        if initialised:
            skip_constant_expression(body)


def _kind(cursor: Cursor) -> ExternKind:
    code = cursor.byte()
    if code >= len(_KINDS):
        raise cursor.error(f"{code:#04x} is no kind of core import or export")
    return _KINDS[code]


def _export(cursor: Cursor) -> ModuleExport:
    name = cursor.name()
    kind = _kind(cursor)
    return ModuleExport(name, kind, cursor.u32())


def _table_type(cursor: Cursor) -> TableType:
    element = read_reference_type(cursor)
    return TableType(element, read_limits(cursor))


def _tag_type(cursor: Cursor) -> int:
    cursor.expect(0x00, "the exception attribute")
    return cursor.u32()


def _global_type(cursor: Cursor) -> GlobalType:
    type_ = _value_type(cursor)
    return GlobalType(type_, mutable=bool(cursor.byte() & 1))


def _value_type(cursor: Cursor) -> str:
    code = cursor.peek()
    if code in _NUMBERS:
        cursor.byte()
        return _NUMBERS[code]
    return read_reference_type(cursor)


_NUMBERS = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}


def _skip_field(cursor: Cursor) -> None:
    # Packed types have codes of their own, everything else is a value type.
    if cursor.peek() in {0x77, 0x78}:
        cursor.byte()
    else:
        _value_type(cursor)
    cursor.byte()
