"""What is kept of a request that is answered later: enough for any gateway to run its program."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

import rib
from gateway.definitions import Requirement
from gateway.invocation_context import NO_CONTEXT, InvocationContext
from wit.json_values import decode_json, encode_json
from wit.values import Value

__all__ = ["RUNS", "LaterRun", "as_json", "decode_run", "run_key"]

RUNS: Final = "run/"


class LaterRun(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A program with its inputs, and who may ask what became of it.

    `gateway` runs it. What its calls answer lies in the logs of the workers, under keys that follow
    from `key`: once it is `done` it gives the same answer whenever it runs again.
    """

    host: str
    gateway: str
    program: bytes
    inputs: Mapping[str, Raw]
    key: str
    accept: str
    timeout_s: float
    is_handler: bool
    context: InvocationContext = NO_CONTEXT
    security: tuple[Requirement, ...] = ()
    asker: str = ""
    done: bool = False

    def encode(self) -> bytes:
        """Return what is stored."""
        return msgspec.json.encode(self)

    def values(self, program: rib.Program) -> dict[str, Value]:
        """Return the inputs of the program, which is this run's."""
        return {
            each.name: decode_json(self.inputs[each.name], each.type) for each in program.inputs
        }


def as_json(program: rib.Program, values: Mapping[str, Value]) -> dict[str, Raw]:
    """Return the inputs of a program as they are kept."""
    return {each.name: Raw(encode_json(values[each.name], each.type)) for each in program.inputs}


def decode_run(data: bytes) -> LaterRun:
    """Return a stored run."""
    return msgspec.json.decode(data, type=LaterRun)


def run_key(key: str) -> str:
    """Return where the run of a request's key is kept."""
    return f"{RUNS}{key}"
