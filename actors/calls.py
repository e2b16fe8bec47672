"""Calls bound to a component: names resolved and values converted, prepared once per function."""

from typing import final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from actors.errors import RejectedError
from actors.limits import PARAMETERS_BYTES_MAX, RESULT_BYTES_MAX
from actors.message import JsonCall
from oplog.entries import Failure
from wit.errors import ParseError, UnknownFunctionError, ValueMismatchError, WitError
from wit.json_readers import INTEGER_RANGES
from wit.json_values import JsonCodec, codec_for
from wit.names import full_name, resolve
from wit.signatures import signature
from wit.types import FunctionType
from wit.values import Value
from wit.wave import Call, bind_arguments, format_value
from wit.world import Function, World

__all__ = ["BoundFunction", "CallTable"]

_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@final
class BoundFunction:
    """One export with its converters. `name` is the full name, `demo:counter/api.{add}`."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.name = full_name(function)
        self.type: FunctionType = function.type
        self._parameters = [(p.name, codec_for(p.type)) for p in function.type.parameters]
        self._result = None if function.type.result is None else codec_for(function.type.result)
        # JSON and WAVE write them alike.
        self._is_integer = function.type.result in INTEGER_RANGES

    def decode_parameters(self, raw: Raw) -> list[Value]:
        """Return the values in a JSON array, or an object by parameter name.

        Raises:
            ValueMismatchError: wrong number, unknown name or wrong type, with the path.
        """
        text = bytes(raw)
        items = self._by_name(text) if text.lstrip()[:1] == b"{" else self._by_position(text)
        return [
            self._convert(name, codec, item)
            for (name, codec), item in zip(self._parameters, items, strict=True)
        ]

    def encode_parameters(self, values: list[Value]) -> Raw:
        """Return the values as a JSON array."""
        parts = [
            codec.to_json(value) for (_, codec), value in zip(self._parameters, values, strict=True)
        ]
        return Raw(_encode(parts))

    def encode_result(self, value: Value) -> Raw | UnsetType:
        """Return the result as JSON, unset for functions without one."""
        return UNSET if self._result is None else Raw(_encode(self._result.to_json(value)))

    def decode_result(self, raw: Raw) -> Value:
        """Return the value of a recorded result."""
        return None if self._result is None else self._result.from_json(_decode_any(raw))

    def wave_result(self, raw: Raw) -> str | None:
        """Return a recorded result as WAVE."""
        if self.type.result is None:
            return None
        if self._is_integer:
            return bytes(raw).decode()
        return format_value(self.decode_result(raw), self.type.result)

    def _by_position(self, text: bytes) -> list[Raw]:
        items = _decode_list(text)
        if len(items) != len(self._parameters):
            raise ValueMismatchError(
                f"{signature(self.function)} takes {len(self._parameters)} parameters, "
                f"got {len(items)}",
                path="params",
            )
        return items

    def _by_name(self, text: bytes) -> list[Raw]:
        given = _decode_object(text)
        names = [name for name, _ in self._parameters]
        unknown = [name for name in given if name not in names]
        missing = [name for name in names if name not in given]
        if unknown or missing:
            raise ValueMismatchError(
                f"{signature(self.function)}: unknown parameters {unknown}, missing {missing}",
                path="params",
            )
        return [given[name] for name in names]

    def _convert(self, name: str, codec: JsonCodec, item: Raw) -> Value:
        try:
            return codec.from_json(_decode_any(item))
        except ValueMismatchError as error:
            raise ValueMismatchError(str(error), path=name) from error


@final
class CallTable:
    """All exports of one component, found by whatever name callers use."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: dict[str, BoundFunction] = {}

    def find(self, name: str) -> BoundFunction:
        """Return the export that answers to `name`.

        Raises:
            RejectedError: none does, or several do.
        """
        bound = self._found.get(name)
        if bound is None:
            try:
                bound = BoundFunction(resolve(self._world, name))
            except UnknownFunctionError as error:
                raise RejectedError(Failure(kind="unknown-function", message=str(error))) from error
            except ParseError as error:
                message = f"{name!r} is no function name: {error}"
                raise RejectedError(Failure(kind="unknown-function", message=message)) from error
            self._found[name] = bound
        return bound

    def bind(self, call: JsonCall | Call) -> tuple[BoundFunction, list[Value], Raw]:
        """Return the function, its arguments, and the arguments as they go into the oplog.

        Raises:
            RejectedError: an unknown function or parameters that do not fit.
        """
        bound = self.find(call.function)
        try:
            match call:
                case JsonCall():
                    values = bound.decode_parameters(call.params)
                    positional = bytes(call.params).lstrip()[:1] == b"["
                    raw = call.params if positional else bound.encode_parameters(values)
                case Call():
                    values = bind_arguments(call, bound.type)
                    raw = bound.encode_parameters(values)
        except (WitError, msgspec.DecodeError) as error:
            message = f"{signature(bound.function)}: {error}"
            raise RejectedError(Failure(kind="bad-parameters", message=message)) from error
        if len(bytes(raw)) > PARAMETERS_BYTES_MAX:
            message = f"the parameters have more than {PARAMETERS_BYTES_MAX} bytes"
            raise RejectedError(Failure(kind="too-large", message=message))
        return bound, values, raw

    @staticmethod
    def check_result(raw: Raw | UnsetType) -> None:
        """Refuse results that no message can carry.

        Raises:
            RejectedError: the result is too large.
        """
        if not isinstance(raw, UnsetType) and len(bytes(raw)) > RESULT_BYTES_MAX:
            message = f"the result has more than {RESULT_BYTES_MAX} bytes"
            raise RejectedError(Failure(kind="too-large", message=message))
