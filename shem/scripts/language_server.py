"""Rib in editors: diagnostics, types on hover, completion, over the language server protocol."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, final

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

import rib
from wit.component import describe
from wit.errors import WitError
from wit.world import World

__all__ = ["make_server"]

_TEST_FILE: Final = re.compile(r"^\s*(?:test\s+\"|component\s+\S+\s+from\b)", re.MULTILINE)
_KINDS: Final[dict[str, types.CompletionItemKind]] = {
    "function": types.CompletionItemKind.Function,
    "method": types.CompletionItemKind.Method,
    "resource": types.CompletionItemKind.Class,
    "field": types.CompletionItemKind.Field,
    "variable": types.CompletionItemKind.Variable,
    "case": types.CompletionItemKind.EnumMember,
    "keyword": types.CompletionItemKind.Keyword,
    "type": types.CompletionItemKind.TypeParameter,
    "value": types.CompletionItemKind.Value,
}


def make_server(
    version: str, components: Mapping[str, World], globals_: rib.Globals = rib.ANY_GLOBALS
) -> LanguageServer:
    """Return a server that knows components; test files may name more of them."""
    server = LanguageServer("shem-rib", version, types.TextDocumentSyncKind.Full)
    known = _Known(components, globals_)

    def publish(uri: str) -> None:
        document = server.workspace.get_text_document(uri)
        found = [_diagnostic(document, each) for each in known.check(document)]
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, found, document.version)
        )

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        publish(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        # What is wrong with a text that is not open is not shown.
        server.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(params.text_document.uri, [])
        )

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hovered(params: types.HoverParams) -> types.Hover | None:
        document = server.workspace.text_documents.get(params.text_document.uri)
        if document is None:
            return None
        return known.hover(document, _offset(document.source, params.position))

    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[".", "("])
    )
    def completed(params: types.CompletionParams) -> list[types.CompletionItem]:
        document = server.workspace.text_documents.get(params.text_document.uri)
        if document is None:
            return []
        return known.complete(document, _offset(document.source, params.position))

    for used in (opened, changed, closed, hovered, completed):
        assert callable(used)
    return server


@final
class _Known:
    def __init__(self, components: Mapping[str, World], globals_: rib.Globals) -> None:
        self._components = components
        self._globals = globals_
        # By path: when the file was written, and what it exports.
        self._files: dict[Path, tuple[int, World]] = {}

    def check(self, document: TextDocument) -> tuple[rib.Diagnostic, ...]:
        """Return what is wrong with a program, or with each test of a test file."""
        text = document.source
        if not _TEST_FILE.search(text):
            return rib.check(text, self._components, self._globals, tolerant=True)
        try:
            file = rib.parse_tests(text)
        except rib.CompileError as error:
            return error.diagnostics
        components = self._worlds(document)
        found: dict[tuple[int, str], rib.Diagnostic] = {}
        for test in file.tests:
            try:
                findings = rib.compile_test(file, test, components).warnings
            except rib.CompileError as error:
                findings = error.diagnostics
            # What stands before the tests is part of each of them.
            found.update({(each.start, each.cause): each for each in findings})
        return tuple(found.values())

    def hover(self, document: TextDocument, offset: int) -> types.Hover | None:
        """Return what stands at an offset."""
        catalog = rib.Catalog(self._worlds(document))
        parse = _parser(document.source, offset)
        found = rib.hover(document.source, offset, catalog, self._globals, parse=parse)
        if found is None:
            return None
        content = types.MarkupContent(types.MarkupKind.Markdown, f"```wit\n{found.text}\n```")
        return types.Hover(content, _range(document.source, found.start, found.end))

    def complete(self, document: TextDocument, offset: int) -> list[types.CompletionItem]:
        """Return what may stand at an offset."""
        catalog = rib.Catalog(self._worlds(document))
        text = document.source
        parse = _parser(text, offset)
        found = rib.complete(text, offset, catalog, self._globals, parse=parse)
        return [
            types.CompletionItem(
                label=each.label,
                kind=_KINDS[each.kind],
                detail=each.detail,
                sort_text=f"{index:04}",
                text_edit=types.TextEdit(_range(text, each.start, offset), each.insert),
            )
            for index, each in enumerate(found)
        ]

    def _worlds(self, document: TextDocument) -> dict[str, World]:
        """Return the components of the server, and those that a test file names."""
        worlds = dict(self._components)
        path = to_fs_path(document.uri)
        if path is None or not _TEST_FILE.search(document.source):
            return worlds
        for name, file in re.findall(
            r"^\s*component\s+(\S+)\s+from\s+\"([^\"]+)\"", document.source, re.MULTILINE
        ):
            world = self._read(Path(path).parent / file)
            if world is not None:
                worlds[name] = world
        return worlds

    def _read(self, path: Path) -> World | None:
        try:
            written = path.stat().st_mtime_ns
            if path not in self._files or self._files[path][0] != written:
                self._files[path] = written, describe(path.read_bytes())
        except (OSError, WitError):
            return None
        return self._files[path][1]


def _parser(text: str, offset: int) -> Callable[[str], rib.Block] | None:
    if not _TEST_FILE.search(text):
        return None
    return lambda text: rib.parse_test_at(text, offset)


def _diagnostic(document: TextDocument, found: rib.Diagnostic) -> types.Diagnostic:
    is_error = found.severity == "error"
    lines = [found.cause, *found.details, *(f"help: {each}" for each in found.help)]
    return types.Diagnostic(
        range=_range(document.source, found.start, found.end),
        message="\n".join(lines),
        severity=types.DiagnosticSeverity.Error if is_error else types.DiagnosticSeverity.Warning,
        code=found.code.value,
        source="rib",
    )


def _range(text: str, start: int, end: int) -> types.Range:
    return types.Range(_position(text, start), _position(text, end))


def _offset(text: str, position: types.Position) -> int:
    """Return where a place of an editor is in a text: the other way round than `_position`."""
    start = 0
    for _ in range(position.line):
        end = text.find("\n", start)
        if end < 0:
            return len(text)
        start = end + 1
    end = text.find("\n", start)
    line = text[start : len(text) if end < 0 else end]
    units = line.encode("utf-16-le")[: 2 * position.character]
    return start + len(units.decode("utf-16-le", errors="ignore"))


def _position(text: str, offset: int) -> types.Position:
    """Return a place as editors count it: lines, and UTF-16 units within them, from 0."""
    line_start = text.rfind("\n", 0, offset) + 1
    units = len(text[line_start:offset].encode("utf-16-le")) // 2
    return types.Position(text.count("\n", 0, offset), units)
