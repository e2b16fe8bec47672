"""YAML with places: each value of a document knows its line and column."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias, final

import yaml
from msgspec import Struct

from shem.errors import ManifestError
from shem.problems import Problem

__all__ = ["Document", "Place", "Step", "problem_at", "read_documents"]

MANIFEST_BYTES_MAX: Final = 1 << 20
NESTING_MAX: Final = 50

Step: TypeAlias = str | int
"""A key or an index on the way from the document to a value."""


class Place(Struct, frozen=True):
    """Where something stands: line and column from 1, and how many characters it has there."""

    line: int
    column: int
    length: int


@final
class Document:
    """A YAML document as plain values, with the places of its keys and values."""

    def __init__(self, file: Path, text: str, node: yaml.Node | None) -> None:
        self.file = file
        self._lines = text.splitlines()
        self._keys: dict[tuple[Step, ...], Place] = {}
        self._values: dict[tuple[Step, ...], Place] = {}
        self.value: Any = {} if node is None else self._take(node, ())

    def problem(self, path: tuple[Step, ...], message: str, *, at_key: bool = False) -> Problem:
        """Return what is wrong with the value, or the key, at `path`, with its line shown."""
        places = self._keys if at_key else self._values
        return self._problem(message, places.get(path) or self._values.get(path) or _START)

    def _problem(self, message: str, place: Place) -> Problem:
        return problem_at(self.file, message, place, self._lines)

    def _take(self, node: yaml.Node, path: tuple[Step, ...]) -> Any:
        self._values.setdefault(path, _place(node))
        if len(path) > NESTING_MAX:
            self._refuse(node, f"nested more than {NESTING_MAX} levels deep")
        match node:
            case yaml.MappingNode():
                return self._take_mapping(node, path)
            case yaml.SequenceNode():
                return [self._take(each, (*path, at)) for at, each in enumerate(node.value)]
            case _:
                return self._scalar(node)

    def _take_mapping(self, node: yaml.MappingNode, path: tuple[Step, ...]) -> dict[str, Any]:
        taken: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, "expected a name as a key")
            key = key_node.value
            if key in taken:
                self._refuse(key_node, f'"{key}" stands here twice')
            self._keys[*path, key] = _place(key_node)
            taken[key] = self._take(value_node, (*path, key))
        return taken

    def _scalar(self, node: yaml.Node) -> Any:
        loader: Any = yaml.SafeLoader("")  # its stubs lack the constructor's methods
        try:
            return loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            self._refuse(node, f"cannot read this value: {error}")
        finally:
            loader.dispose()

    def _refuse(self, node: yaml.Node, message: str) -> NoReturn:
        raise ManifestError([self._problem(message, _place(node))])


_START: Final = Place(1, 1, 1)


def read_documents(file: Path) -> Iterator[Document]:
    """Yield the documents of a YAML file.

    Raises:
        ManifestError: it cannot be read, or is no YAML; with the place.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ManifestError([problem_at(file, f"cannot be read: {error.strerror}")]) from error
    if len(data) > MANIFEST_BYTES_MAX:
        raise ManifestError([problem_at(file, f"larger than {MANIFEST_BYTES_MAX} bytes")])
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        message = f"no UTF-8 text at byte {error.start}"
        raise ManifestError([problem_at(file, message)]) from error
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        raise ManifestError([_syntax(file, text, error)]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError([problem_at(file, f"no YAML: {error}")]) from error
    for node in nodes:
        yield Document(file, text, node)


def problem_at(
    file: Path, message: str, place: Place | None = None, lines: Sequence[str] = ()
) -> Problem:
    """Return a problem of a file, or of a place in it: then its line is shown with carets."""
    if place is None:
        return Problem(file=str(file), message=message)
    line, column = place.line, place.column
    shown = lines[line - 1] if line <= len(lines) else ""
    margin = " " * len(str(line))
    carets = "^" * max(1, min(place.length, len(shown) - column + 1))
    excerpt = f"  {line} | {shown}\n  {margin} | {' ' * (column - 1)}{carets}"
    return Problem(file=str(file), message=message, line=line, column=column, excerpt=excerpt)


def _place(node: yaml.Node) -> Place:
    start, end = node.start_mark, node.end_mark
    same_line = start.line == end.line
    return Place(start.line + 1, start.column + 1, end.column - start.column if same_line else 1)


def _syntax(file: Path, text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    reason = " ".join(part for part in (error.problem, error.context) if part)
    if mark is None:
        return problem_at(file, f"no YAML: {reason}")
    place = Place(mark.line + 1, mark.column + 1, 1)
    return problem_at(file, f"no YAML: {reason}", place, text.splitlines())
