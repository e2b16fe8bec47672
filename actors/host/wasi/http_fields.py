"""`wasi:http/types`, the resource `fields` and the code of an error."""

import functools
from collections.abc import Callable, Sequence

from actors.engine.errors import GuestTrap
from actors.host.buffered import Share, full
from actors.host.context import HostContext
from actors.host.http.fields import FieldError, FieldList, Fields
from actors.host.http.limits import MESSAGE_BYTES
from actors.host.interface import HostInterface, Kind
from actors.host.streams import IoError
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, err, ok, some

__all__ = ["TYPES", "count_message"]

TYPES = HostInterface("wasi:http/types", version=WASI_VERSION)


def count_message(context: HostContext, share: Share) -> None:
    """Count a message that a guest makes.

    Raises:
        GuestTrap: there is no room for it.
    """
    if not share.take(context, MESSAGE_BYTES):
        raise GuestTrap(f"a message of HTTP: {full(MESSAGE_BYTES)}", kind="limit")


def _answered(change: Callable[..., Value]) -> Callable[..., Value]:
    @functools.wraps(change)
    def answer(context: HostContext, *arguments: Value) -> Value:
        try:
            return ok(change(context, *arguments))
        except FieldError as error:
            # The variant's cases have no payload.
            return err((error.case, None))

    return answer


@TYPES.function("http-error-code", Kind.PURE)
def http_error_code(context: HostContext, error: IoError) -> Value:
    """Return the code of an error, if it came from an exchange."""
    del context
    return some(error.http_code) if error.http_code else None


@TYPES.function("[constructor]fields", Kind.PURE)
def new_fields(context: HostContext) -> Fields:
    """Return none yet."""
    del context
    return Fields()


@TYPES.function("[static]fields.from-list", Kind.PURE)
@_answered
def from_list(context: HostContext, entries: Sequence[tuple[str, bytes]]) -> Fields:
    """Return these."""
    return _counted(context, Fields.from_guest(entries))


@TYPES.function("[method]fields.get", Kind.PURE)
def get(context: HostContext, fields: Fields, name: str) -> list[bytes]:
    """Return the values of a name."""
    del context
    return fields.get(name)


@TYPES.function("[method]fields.has", Kind.PURE)
def has(context: HostContext, fields: Fields, name: str) -> bool:
    """Tell whether a name has a value."""
    del context
    return bool(fields.get(name))


@TYPES.function("[method]fields.set", Kind.PURE)
@_answered
def set_(context: HostContext, fields: Fields, name: str, values: Sequence[bytes]) -> None:
    """Replace the values of a name."""
    fields.set(name, values)
    _counted(context, fields)


@TYPES.function("[method]fields.delete", Kind.PURE)
@_answered
def delete(context: HostContext, fields: Fields, name: str) -> None:
    """Remove the values of a name."""
    fields.delete(name)
    _counted(context, fields)


@TYPES.function("[method]fields.append", Kind.PURE)
@_answered
def append(context: HostContext, fields: Fields, name: str, value: bytes) -> None:
    """Add a value."""
    fields.append(name, value)
    _counted(context, fields)


@TYPES.function("[method]fields.entries", Kind.PURE)
def entries(context: HostContext, fields: Fields) -> FieldList:
    """Return all."""
    del context
    return fields.entries()


@TYPES.function("[method]fields.clone", Kind.PURE)
def clone(context: HostContext, fields: Fields) -> Fields:
    """Return a copy that may be changed."""
    return _counted(context, fields.copy())


@TYPES.drop("fields")
def drop_fields(context: HostContext, fields: Fields) -> None:
    """Forget them; those of a message are the message's."""
    fields.share.give_back(context)


def _counted(context: HostContext, fields: Fields) -> Fields:
    """Count what fields have in memory.

    Raises:
        GuestTrap: there is no room; `header-error` has no case for it.
    """
    if not fields.share.resize(context, fields.size):
        raise GuestTrap(f"fields: {full(fields.size)}", kind="limit")
    return fields
