"""A compiled program: what it needs, and running it."""

from collections.abc import Mapping
from typing import final

from rib.catalog import FunctionUse
from rib.code import (
    CallHandle,
    CallResource,
    CallWorker,
    Compiled,
    Drop,
    Input,
    LoadInput,
    decode,
    encode,
)
from rib.diagnostics import Code, Diagnostic, diagnostic
from rib.errors import CallError, RunError
from rib.fault import Fault
from rib.frame import Frame
from rib.limits import STEPS_MAX, VALUE_UNITS_MAX
from rib.measure import measure
from rib.port import Port, Resource, ResourceDrop, WorkerCall
from rib.steps import link, pop_many
from rib.syntax import Span
from wit.checking import check
from wit.errors import ValueMismatchError
from wit.types import Primitive, Type
from wit.values import Value

__all__ = ["Program"]


@final
class Program:
    """A program that may run any number of times, also at once. Immutable."""

    def __init__(self, code: Compiled) -> None:
        self._code = code
        self._steps = link(code)

    @classmethod
    def decode(cls, stored: bytes) -> "Program":
        """Return the program that `encode` stored, without its text being parsed.

        Raises:
            ProgramFormatError: the code is of another version.
        """
        return cls(decode(stored))

    def encode(self) -> bytes:
        """Return the stored form."""
        return encode(self._code)

    @property
    def slot_count(self) -> int:
        """How many variables a frame must hold."""
        return self._code.slot_count

    @property
    def text(self) -> str:
        """The text it was compiled from."""
        return self._code.text

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The globals it reads, in the order in which they first stand in the text."""
        return self._code.inputs

    @property
    def functions(self) -> tuple[FunctionUse, ...]:
        """The functions of components that it may call, with the types it relies on."""
        return self._code.functions

    @property
    def result(self) -> Type | None:
        """The type of its value; None if it has none."""
        return self._code.result

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is allowed and still looks wrong."""
        return self._code.warnings

    async def run(
        self,
        port: Port,
        inputs: Mapping[str, Value] | None = None,
        *,
        steps: int = STEPS_MAX,
        units: int = VALUE_UNITS_MAX,
    ) -> Value:
        """Run and return the value, in the type `result`.

        Args:
            port: How workers are reached.
            inputs: A value for each of `inputs`, by its name; others are ignored.
            steps: How many instructions loops may execute, at most `STEPS_MAX`.
            units: How many members and characters values may have, at most `VALUE_UNITS_MAX`.

        Raises:
            RunError: an input is missing or wrong, an operation failed, a call failed, a limit.
        """
        bound = self._bound(inputs or {})
        return await self.execute(
            Frame(self._code.slot_count, bound, steps=steps, units=units), port
        )

    async def execute(self, frame: Frame, port: Port) -> Value:
        """Run in a frame that the caller made and may look into afterwards. Raises as `run`."""
        stack: list[Value] = []
        index, end = 0, len(self._steps)
        while index < end:
            try:
                index = self._advance(index, stack, frame)
                if index < end:
                    await self._effect(index, stack, frame, port)
                    index += 1
            except Fault as fault:
                at = index if fault.at < 0 else fault.at
                # What reached a limit is not what anybody expects to fail.
                if not frame.guards or fault.code in {Code.LIMIT, Code.ASSERTION}:
                    raise self._failed(fault, at) from fault.__cause__
                index, depth = frame.guards.pop()
                stack[depth:] = [fault.cause]
        try:
            measure(stack[-1], VALUE_UNITS_MAX)
        except Fault as fault:
            raise self._failed(fault, end) from fault.__cause__
        return stack.pop()

    def _advance(self, index: int, stack: list[Value], frame: Frame) -> int:
        """Run until a step needs the outside, or the end; returns the index of that step."""
        steps = self._steps
        end = len(steps)
        try:
            while index < end:
                target = steps[index](stack, frame)
                if target is None:
                    index += 1
                elif target >= 0:
                    index = target
                else:
                    return index
        except Fault as fault:
            fault.at = index
            raise
        return index

    def _bound(self, given: Mapping[str, Value]) -> list[Value]:
        values: list[Value] = []
        for index, each in enumerate(self._code.inputs):
            if each.name not in given:
                fault = Fault(Code.INPUT_MISSING, f"input not found: {each.name}")
                raise self._failed(fault, self._first_use(index))
            value = given[each.name]
            if each.type is Primitive.STRING and type(value) is str:
                values.append(value)
                continue
            try:
                check(value, each.type, root=each.name)
            except ValueMismatchError as error:
                fault = Fault(Code.INPUT_INVALID, str(error))
                raise self._failed(fault, self._first_use(index)) from error
            values.append(value)
        return values

    def _first_use(self, index: int) -> int:
        """Return the instruction that reads an input first."""
        wanted = LoadInput(index)
        return next(i for i, each in enumerate(self._code.instructions) if each == wanted)

    async def _effect(self, index: int, stack: list[Value], frame: Frame, port: Port) -> None:
        instruction = self._code.instructions[index]
        effect: WorkerCall | ResourceDrop
        if isinstance(instruction, Drop):
            effect = self._drop(stack, frame)
        else:
            assert isinstance(instruction, CallWorker | CallResource | CallHandle)
            effect = self._call(instruction, stack, frame)
        try:
            if isinstance(effect, WorkerCall):
                stack.append(await port.call(effect))
            else:
                await port.drop(effect)
                stack.append(None)
        except CallError as error:
            cause = f"failed to invoke function {effect.name()}: {error}"
            raise Fault(Code.CALL_FAILED, cause) from error

    def _drop(self, stack: list[Value], frame: Frame) -> ResourceDrop:
        target = stack.pop()
        position = frame.next_position()
        if isinstance(target, Resource):
            return ResourceDrop(position, target)
        return ResourceDrop(position, None, target)

    def _call(
        self,
        instruction: CallWorker | CallResource | CallHandle,
        stack: list[Value],
        frame: Frame,
    ) -> WorkerCall:
        arguments = tuple(pop_many(stack, instruction.count))
        measure(arguments, VALUE_UNITS_MAX)
        target = stack.pop()
        use = self._code.functions[instruction.function]
        position, component = frame.next_position(), use.component
        match instruction:
            case CallWorker():
                return WorkerCall(position, component, target, use.function, arguments)
            case CallResource():
                worker = target.worker
                return WorkerCall(
                    position, component, worker, use.function, arguments, resource=target
                )
            case CallHandle():
                return WorkerCall(position, component, None, use.function, arguments, handle=target)

    def _failed(self, fault: Fault, index: int) -> RunError:
        code = self._code
        start, end = code.places[min(index, len(code.places) - 1)]
        helps = (fault.help,) if fault.help else ()
        span = Span(start, end)
        return RunError(
            diagnostic(code.text, span, fault.code, fault.cause, details=fault.details, help=helps)
        )
