"""Calls bound to a component: names resolved and values converted, prepared once per function."""

from typing import Final, final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from actors.errors import RejectedError
from actors.limits import PARAMETERS_BYTES_MAX
from actors.message import JsonCall, WitCall
from actors.virtual import left_out_of, run_of, shortened, with_virtual_exports
from oplog.entries import Failure
from oplog.replay import TOO_LARGE
from wit.errors import ParseError, UnknownFunctionError, ValueMismatchError, WitError
from wit.json_readers import INTEGER_RANGES, HandleNames
from wit.json_values import (
    codec_for,
    from_json,
    parameters_from_json,
    parameters_to_json,
    to_json,
)
from wit.names import full_name, parse_name, resolve
from wit.signatures import signature
from wit.type_walk import holds_resource
from wit.types import FunctionType, Own, Parameter, ResourceName
from wit.values import Value
from wit.wave import Call, bind_arguments, format_value
from wit.wit_value import from_wit_value, to_wit_value
from wit.wit_value_type import WIT_VALUE, WIT_VALUES
from wit.world import Function, World

__all__ = ["URNS", "BoundFunction", "CallTable"]


class _Urns:
    """Handles that stay URNs: for values that only pass through."""

    def urn_of(self, handle: object, resource: ResourceName) -> str:
        del resource
        return str(handle)

    def handle_of(self, urn: str, resource: ResourceName, *, borrowed: bool) -> object:
        del resource, borrowed
        return urn


URNS: Final = _Urns()

_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_WIT_VALUE = codec_for(WIT_VALUE)
_WIT_VALUES = codec_for(WIT_VALUES)


@final
class BoundFunction:
    """One export with its converters. `name` is the full name, `demo:counter/api.{add}`."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.run = run_of(function)
        self._left_out = left_out_of(function)
        self.name = full_name(function)
        self.type: FunctionType = function.type
        self.drops = function.name.startswith("[drop]")
        """Whether it is no function of the guest, but ends one of its resources."""
        self.gives_handles = function.type.result is not None and holds_resource(
            function.type.result
        )
        self._has_handles = any(holds_resource(each.type) for each in self.type.parameters)
        self._parameters = [
            (codec_for(parameter.type), f"params[{position}]")
            for position, parameter in enumerate(self.type.parameters)
        ]
        # Numbers, strings, booleans and the like go into JSON as they are.
        self._are_plain = all(codec.is_plain for codec, _ in self._parameters)
        self._result = None if function.type.result is None else codec_for(function.type.result)
        # JSON and WAVE write them alike.
        self._is_integer = function.type.result in INTEGER_RANGES

    def decode_parameters(self, raw: Raw, handles: HandleNames | None = None) -> list[Value]:
        """Return the values in a JSON array or an object by name; options may be left out.

        Raises:
            ValueMismatchError: wrong number, unknown name or wrong type, with the path.
        """
        given: list[object] | dict[str, object] | str | float | None = _decode_any(raw)
        if (
            isinstance(given, list)
            and len(given) == len(self._parameters)
            and not self._has_handles
        ):
            parts = zip(self._parameters, given, strict=True)
            return [codec.from_json(json, root=place) for (codec, place), json in parts]
        return parameters_from_json(given, self.type, handles)

    def encode_parameters(self, values: list[Value], handles: HandleNames | None = None) -> Raw:
        """Return the values as a JSON array."""
        if self._has_handles:
            return Raw(_encode(parameters_to_json(values, self.type, handles)))
        if self._are_plain:
            return Raw(_encode(values))
        parts = zip(self._parameters, values, strict=True)
        return Raw(_encode([codec.to_json(value, root=place) for (codec, place), value in parts]))

    def encode_result(self, value: Value, handles: HandleNames | None = None) -> Raw | UnsetType:
        """Return the result as JSON, unset for functions without one."""
        if self.gives_handles:
            assert self.type.result is not None
            return Raw(_encode(to_json(value, self.type.result, handles)))
        if self._result is None:
            return UNSET
        shown = self._result.to_json(value)
        return Raw(_encode(shown if self._left_out is None else shortened(shown, self._left_out)))

    def decode_result(self, raw: Raw) -> Value:
        """Return the value of a recorded result."""
        if self.gives_handles:
            assert self.type.result is not None
            return from_json(_decode_any(raw), self.type.result, URNS)
        return None if self._result is None else self._result.from_json(_decode_any(raw))

    def wit_result(self, raw: Raw) -> Raw:
        """Return a recorded result as the JSON of its node list.

        Raises:
            ValueMismatchError: it holds what cannot be described.
        """
        if self.type.result is None:
            return Raw(b"null")
        nodes = to_wit_value(self.decode_result(raw), self.type.result, URNS)
        return Raw(_encode(_WIT_VALUE.to_json(nodes)))

    def wit_parameters(self, raw: Raw, handles: HandleNames) -> list[Value]:
        """Return the values of a JSON array of node lists.

        Raises:
            ValueMismatchError: wrong number or type, with the path.
        """
        given = _WIT_VALUES.from_json(_decode_any(raw))
        types = self.type.parameters
        if len(given) != len(types):
            message = f"expected {len(types)} parameters, got {len(given)}"
            raise ValueMismatchError(message, path="params")
        return [
            from_wit_value(nodes, parameter.type, handles)
            for nodes, parameter in zip(given, types, strict=True)
        ]

    def wave_result(self, raw: Raw) -> str | None:
        """Return a recorded result as WAVE."""
        if self.type.result is None:
            return None
        if self._is_integer:
            return bytes(raw).decode()
        return format_value(self.decode_result(raw), self.type.result)


@final
class CallTable:
    """All exports of one component, found by whatever name callers use."""

    def __init__(self, world: World) -> None:
        self._world = with_virtual_exports(world)
        self._found: dict[str, BoundFunction] = {}

    def find(self, name: str) -> BoundFunction:
        """Return the export that answers to `name`.

        Raises:
            RejectedError: none does, or several do.
        """
        bound = self._found.get(name)
        if bound is None:
            try:
                bound = BoundFunction(self._drop(name) or resolve(self._world, name))
            except UnknownFunctionError as error:
                raise RejectedError(Failure(kind="unknown-function", message=str(error))) from error
            except ParseError as error:
                message = f"{name!r} is no function name: {error}"
                raise RejectedError(Failure(kind="unknown-function", message=message)) from error
            self._found[name] = bound
        return bound

    def _drop(self, name: str) -> Function | None:
        """Return what ends a resource: the canonical ABI has it, no world exports it."""
        parsed = parse_name(name)
        resource = parsed.function.removeprefix("[drop]").removesuffix(".drop")
        if resource == parsed.function:
            return None
        for interface in self._world.export_interfaces:
            names = {interface.name, interface.name.partition("@")[0]}
            is_meant = not parsed.interface or parsed.interface in names
            if is_meant and resource in interface.resources:
                owned = Parameter("self", Own(ResourceName(resource, interface.name)))
                return Function(f"[drop]{resource}", FunctionType((owned,)), interface.name)
        return None

    def own_words(self, interface: str, function: str) -> Function:
        """Return a function of `golem:api/save-snapshot` or `load-snapshot`, whatever version.

        Raises:
            RejectedError: the component does not export it.
        """
        name = f"golem:api/{interface}"
        for exported in self._world.export_interfaces:
            if exported.name.partition("@")[0] == name:
                for each in exported.functions:
                    if each.name == function:
                        return each
        text = f"the component does not export {name}"
        raise RejectedError(Failure(kind="unknown-function", message=text))

    def bind(
        self, call: JsonCall | WitCall | Call, handles: HandleNames
    ) -> tuple[BoundFunction, list[Value], Raw]:
        """Return the function, its arguments, and the arguments as they go into the oplog.

        Raises:
            RejectedError: an unknown function or parameters that do not fit.
        """
        bound = self.find(call.function)
        try:
            match call:
                case JsonCall():
                    values = bound.decode_parameters(call.params, handles)
                    positional = bytes(call.params).lstrip()[:1] == b"["
                    raw = call.params if positional else bound.encode_parameters(values, handles)
                case WitCall():
                    values = bound.wit_parameters(call.values, handles)
                    raw = bound.encode_parameters(values, handles)
                case Call():
                    values = bind_arguments(call, bound.type)
                    raw = bound.encode_parameters(values)
        except (WitError, msgspec.DecodeError) as error:
            message = f"{signature(bound.function)}: {error}"
            raise RejectedError(Failure(kind="bad-parameters", message=message)) from error
        except RecursionError as error:
            message = f"{signature(bound.function)}: the parameters nest too deep"
            raise RejectedError(Failure(kind="bad-parameters", message=message)) from error
        if len(raw) > PARAMETERS_BYTES_MAX:
            message = f"the parameters have more than {PARAMETERS_BYTES_MAX} bytes"
            raise RejectedError(Failure(kind="too-large", message=message))
        return bound, values, raw

    @staticmethod
    def too_large(raw: Raw | UnsetType, *, limit_bytes: int) -> Failure | None:
        """Return the failure of a result that no message can carry."""
        if isinstance(raw, UnsetType) or len(raw) <= limit_bytes:
            return None
        message = f"the result has {len(raw)} bytes as JSON, at most {limit_bytes} can be answered"
        return Failure(kind=TOO_LARGE, message=message)
