"""Invocation messages: what a client publishes, understood as far as that needs no component.

The wire format is described in docs/MESSAGES.md. Understanding never raises: a message that makes
no sense becomes a `Malformed` with the failure that its sender gets, so that poison cannot block a
worker.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from actors.limits import (
    ATTRIBUTE_CHARACTERS_MAX,
    ATTRIBUTES_MAX,
    KEY_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    RESULT_TO_BYTES_MAX,
)
from actors.recurrence import check_repeat
from broker.ports import Message
from oplog.entries import Caller, Failure, Repeat
from wit.errors import ParseError
from wit.wave import Call, parse_call

__all__ = [
    "Envelope",
    "Invocation",
    "JsonCall",
    "Malformed",
    "WitCall",
    "caller_of",
    "is_inbox",
    "understand",
]


class JsonCall(Struct, frozen=True):
    """A call in JSON: `params` is an array, or an object by parameter name."""

    function: str
    params: Raw = Raw(b"[]")


class WitCall(Struct, frozen=True):
    """A call whose `values` are an array of node lists (`wit-value` of `golem:rpc/types`)."""

    function: str
    values: Raw


class Envelope(Struct, frozen=True, kw_only=True):
    """What the headers say, whatever the payload is."""

    sequence: int
    key: str
    result_to: str | None = None
    caller: Caller | None = None
    tell_at: str | None = None
    chain: tuple[str, ...] = ()
    traceparent: str | None = None
    tracestate: str | None = None
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    repeat: Repeat | None = None
    attributes: tuple[tuple[str, str], ...] = ()


class Invocation(Struct, frozen=True):
    """A message whose form is right; whether the call fits the component is another matter."""

    envelope: Envelope
    call: JsonCall | WitCall | Call


class Malformed(Struct, frozen=True):
    """A message that cannot become a call."""

    envelope: Envelope
    failure: Failure


Understood: TypeAlias = Invocation | Malformed


class _Body(Struct, forbid_unknown_fields=True):
    function: str
    params: Raw | UnsetType = UNSET
    values: Raw | UnsetType = UNSET


T = TypeVar("T")
_NOTHING: Final[Mapping[str, str]] = {}
_OF_WORKERS: Final = frozenset({"Shem-Caller", "Shem-Tell-At", "Shem-Chain"})
_RARE: Final = frozenset({"Shem-Attributes", "Shem-Args", "Shem-Env", "Shem-Repeat"})
# No wildcards, no empty tokens.
_PLAIN_SUBJECT: Final = re.compile(r"[^\s*>.]++(?:\.[^\s*>.]++)*+")
_decode_body = msgspec.json.Decoder(_Body).decode
_decode_env = msgspec.json.Decoder(dict[str, str]).decode
_decode_args = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_caller = msgspec.json.Decoder(Caller).decode
_decode_repeat = msgspec.json.Decoder(Repeat).decode
_decode_chain = msgspec.json.Decoder(tuple[str, ...]).decode


def caller_of(message: Message) -> Caller | None:
    """Return the worker that wants an answer, None if none does or its name makes no sense."""
    try:
        return _decoded(message.headers, "Shem-Caller", _decode_caller, None)
    except ValueError:
        return None


def understand(message: Message, *, bytes_max: int = MESSAGE_BYTES_MAX) -> Understood:
    """Return the invocation in a mailbox message, or what is wrong with it.

    One whose payload lies elsewhere has it missing; `enclosed` brings it.
    """
    try:
        envelope = _envelope(message)
    except ValueError as error:
        return Malformed(_plain_envelope(message), _bad(f"bad header: {error}"))
    size = len(message.data)
    if size > bytes_max:
        return Malformed(
            envelope,
            Failure(
                kind="too-large",
                message=f"the payload has {size} bytes, at most {bytes_max} are taken",
            ),
        )
    try:
        return Invocation(envelope, _call(message.data))
    except ParseError as error:
        where = f"line {error.line}, column {error.column}"
        return Malformed(envelope, _bad(f"the payload is no WAVE call ({where}): {error}"))
    except UnicodeDecodeError as error:
        return Malformed(envelope, _bad(f"the payload is not UTF-8 (byte {error.start})"))
    except msgspec.DecodeError as error:
        return Malformed(
            envelope,
            _bad(
                f"the payload is no JSON invocation: {error}; expected an object with 'function' "
                "and 'params'"
            ),
        )
    except RecursionError:
        return Malformed(envelope, _bad("the payload's arrays or objects nest too deep"))


def is_inbox(subject: str) -> bool:
    """Whether outcomes may be sent there.

    Whoever may invoke must not be able to make an executor, which may publish everywhere under
    `shem.` and `$`, publish there for him.
    """
    return (
        len(subject.encode()) <= RESULT_TO_BYTES_MAX
        and not subject.startswith(("shem.", "$"))
        and _PLAIN_SUBJECT.fullmatch(subject) is not None
    )


def _bad(message: str) -> Failure:
    return Failure(kind="bad-message", message=message)


def _call(data: bytes) -> JsonCall | WitCall | Call:
    # All of it, since parameters are kept as they are until the function is known.
    text = data.decode().strip()
    if text.startswith("{"):
        body = _decode_body(data)
        if not isinstance(body.values, UnsetType):
            return WitCall(body.function, body.values)
        params = Raw(b"[]") if isinstance(body.params, UnsetType) else body.params
        return JsonCall(body.function, params)
    if not text:
        raise ParseError("the payload is empty; expected a WAVE call like add(5)")
    return parse_call(text)


def _envelope(message: Message) -> Envelope:
    headers = message.headers
    if not headers:
        return Envelope(sequence=message.sequence, key=f"seq-{message.sequence}")
    get = headers.get
    key = get("Shem-Key") or f"seq-{message.sequence}"
    if len(key.encode()) > KEY_BYTES_MAX:
        raise ValueError(f"Shem-Key is longer than {KEY_BYTES_MAX} bytes")
    result_to = get("Shem-Result-To")
    if result_to is not None and not is_inbox(result_to):
        raise ValueError(
            f"Shem-Result-To {result_to[:RESULT_TO_BYTES_MAX]!r} is no inbox: expected a subject "
            f"of at most {RESULT_TO_BYTES_MAX} bytes without wildcards, outside 'shem.' and '$'"
        )
    envelope = Envelope(
        sequence=message.sequence,
        key=key,
        result_to=result_to,
        traceparent=get("traceparent"),
        tracestate=get("tracestate"),
    )
    if not _OF_WORKERS.isdisjoint(headers):
        envelope = msgspec.structs.replace(
            envelope,
            caller=_decoded(headers, "Shem-Caller", _decode_caller, None),
            tell_at=_inbox_in(get("Shem-Tell-At")),
            chain=_decoded(headers, "Shem-Chain", _decode_chain, envelope.chain),
        )
    if not _RARE.isdisjoint(headers):
        envelope = msgspec.structs.replace(
            envelope,
            arguments=_decoded(headers, "Shem-Args", _decode_args, envelope.arguments),
            environment=tuple(_decoded(headers, "Shem-Env", _decode_env, _NOTHING).items()),
            repeat=_repeat(message),
            attributes=_attributes(headers),
        )
    return envelope


def _inbox_in(subject: str | None) -> str | None:
    # Nobody depends on it: one that makes no sense is as good as none.
    return subject if subject is not None and is_inbox(subject) else None


def _attributes(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    found = _decoded(headers, "Shem-Attributes", _decode_env, _NOTHING)
    if len(found) > ATTRIBUTES_MAX:
        raise ValueError(f"Shem-Attributes: {len(found)} of them, at most {ATTRIBUTES_MAX}")
    for name, text in found.items():
        if max(len(name), len(text)) > ATTRIBUTE_CHARACTERS_MAX:
            most = f"at most {ATTRIBUTE_CHARACTERS_MAX} characters"
            raise ValueError(f"Shem-Attributes: {name[:40]!r}: {most} for name and value each")
    return tuple(sorted(found.items()))


def _repeat(message: Message) -> Repeat | None:
    repeat = _decoded(message.headers, "Shem-Repeat", _decode_repeat, None)
    if repeat is not None:
        # A bad payload is refused by itself; the rule must not come again with it for ever.
        repeat = msgspec.structs.replace(repeat, call=message.data.decode())
        check_repeat(repeat)
    return repeat


def _plain_envelope(message: Message) -> Envelope:
    """Return what can be said of a message with a bad header, so that its sender is answered."""
    key = message.headers.get("Shem-Key")
    result_to = message.headers.get("Shem-Result-To")
    return Envelope(
        sequence=message.sequence,
        key=key if key and len(key.encode()) <= KEY_BYTES_MAX else f"seq-{message.sequence}",
        result_to=result_to if result_to is not None and is_inbox(result_to) else None,
    )


def _decoded(headers: Mapping[str, str], name: str, decode: Callable[[str], T], absent: T) -> T:
    value = headers.get(name)
    if not value:
        return absent
    try:
        return decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"{name} does not fit: {error}") from error
