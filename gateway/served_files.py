"""The binding `file-server`: files of a component or of a worker, with ranges and entity tags."""

import mimetypes
import re
from collections.abc import AsyncIterator, Mapping
from typing import Final

from msgspec import Struct

from gateway.errors import RequestError
from gateway.responses import Response, check_response, said_headers
from gateway.workers import FileVersion, Workers
from wit.types import Field, Primitive, RecordType, Type
from wit.values import Value

__all__ = ["FileAnswer", "check_file", "clean_path", "serve"]

# Of no machine's configuration: the same file has the same type everywhere.
_TYPES: Final = mimetypes.MimeTypes()
_TEXT: Final = frozenset({"application/javascript", "application/json", "image/svg+xml"})
_PARTS: Final = frozenset({"file", "status", "headers"})
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


class FileAnswer(Struct, frozen=True):
    """What a program says: a file, and what else the response has."""

    path: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, value: Value, type_: Type | None) -> "FileAnswer":
        """Return what a value says; its type has been checked."""
        if not isinstance(type_, RecordType):
            return cls(str(value))
        types = {field.name: field.type for field in type_.fields}
        status = int(value["status"]) if "status" in types else 200
        headers = said_headers(value["headers"], types["headers"]) if "headers" in types else ()
        if not 200 <= status <= 599:
            detail = f"the program answers with status {status}"
            raise RequestError(500, "bad-response", detail)
        return cls(str(value["file"]), status, tuple(headers))


def check_file(type_: Type | None) -> str:
    """Return why a value of a type names no file, empty if it does."""
    if type_ is Primitive.STRING:
        return ""
    parts = {} if not isinstance(type_, RecordType) else {f.name: f.type for f in type_.fields}
    if parts.get("file") is not Primitive.STRING or not parts.keys() <= _PARTS:
        return "it must be a string, or a record of `file` and, if need be, `status` and `headers`"
    return check_response(
        RecordType(tuple(Field(*each) for each in parts.items() if each[0] != "file"))
    )


def clean_path(path: str) -> str:
    """Return an absolute path, as a program made it out of what a stranger sent.

    Raises:
        RequestError: 404, it would lead somewhere else.
    """
    parts = path.removeprefix("/").split("/")
    if any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in parts):
        raise _missing()
    return "/" + "/".join(parts)


async def serve(
    workers: Workers,
    answer: FileAnswer,
    *,
    component: str,
    worker: str | None,
    headers: Mapping[str, str],
) -> Response:
    """Return the file, as much of it as the client asks for.

    A read-only file of the component comes from the newest version, and no worker is asked; what
    else there is only its worker knows.

    Raises:
        RequestError: 404, there is no such file; 416, or no such range; 503, the worker is busy.
    """
    path = clean_path(answer.path)
    found = await workers.initial_file(component, path, with_writable=worker is None)
    if found is None and worker is not None:
        found = await workers.worker_file(component, worker, path)
    if found is None:
        raise _missing()
    said = dict(answer.headers)
    kind = said.get("content-type", _content_type(path))
    common = (
        *((name, value) for name, value in answer.headers if name != "content-type"),
        *(() if "cache-control" in said else (("cache-control", "no-cache"),)),
        ("etag", found.tag),
        ("x-content-type-options", "nosniff"),
    )
    if answer.status == 200 and _is_known(headers.get("if-none-match", ""), found.tag):
        return Response(304, common, b"")
    start, end = _range(headers, found) if answer.status == 200 else (0, found.size)
    part = (start, end) != (0, found.size)
    ranged = (("content-range", f"bytes {start}-{end - 1}/{found.size}"),) if part else ()
    told = (
        ("content-type", kind),
        ("content-length", str(end - start)),
        ("accept-ranges", "bytes"),
    )
    body = _cut(found, start, end)
    return Response(206 if part else answer.status, (*told, *ranged, *common), body)


def _missing() -> RequestError:
    return RequestError(404, "unknown-file", "there is no such file")


def _content_type(path: str) -> str:
    kind, encoding = _TYPES.guess_type(path)
    if kind is None or encoding is not None:
        return "application/octet-stream"
    is_text = kind.startswith("text/") or kind in _TEXT
    return f"{kind}; charset=utf-8" if is_text else kind


def _is_known(header: str, tag: str) -> bool:
    known = {each.strip().removeprefix("W/") for each in header.split(",")}
    return "*" in known or tag.removeprefix("W/") in known


def _range(headers: Mapping[str, str], found: FileVersion) -> tuple[int, int]:
    """Return what of the file is asked for; several ranges at once are answered with all of it."""
    whole = 0, found.size
    matched = _RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    condition = headers.get("if-range")
    if matched is None or matched[0] == "bytes=-":
        return whole
    if condition is not None and (condition != found.tag or condition.startswith("W/")):
        return whole
    first, last = matched.groups()
    start, end = int(first or 0), found.size
    if not first:
        start = max(0, found.size - int(last))
    elif last:
        end = min(int(last) + 1, found.size)
        if int(last) < start:
            return whole
    if start >= end:
        detail = f"the file has {found.size} bytes"
        raise RequestError(
            416, "range-not-satisfiable", detail, (("content-range", f"bytes */{found.size}"),)
        )
    return start, end


async def _cut(found: FileVersion, start: int, end: int) -> AsyncIterator[bytes]:
    left = end - start
    async for piece in found.read(start):
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return
