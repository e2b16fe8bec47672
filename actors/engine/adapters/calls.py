"""The adapter of one call between components, and of one destructor."""

from typing import Final

from actors.engine.abi.signature import (
    contains,
    core_signature,
    flatten,
    is_indirect,
    is_spilled,
    size_of,
)
from actors.engine.adapters.checks import Cause, Side, allocator, require, span
from actors.engine.adapters.text import (
    BeginScope,
    DropHandle,
    EndScope,
    Flags,
    Function,
    ModuleText,
    Source,
    signature_text,
)
from actors.engine.adapters.values import Place, Translation
from actors.engine.core.module import FunctionSignature
from actors.engine.entering import ENTERED, MAY_NOT_LEAVE
from actors.engine.plan.model import CoreSource, LiftPlan, LowerPlan
from wit.types import Borrow, FunctionType, TupleType

__all__ = ["write_call", "write_drop"]

_DESTRUCTOR: Final = FunctionSignature(("i32",), ())


def write_call(module: ModuleText, export: str, lower: LowerPlan, lift: LiftPlan) -> None:
    """Write the function that a component calls to call another one."""
    _Call(module, export, lower, lift).write()


class _Call:
    def __init__(self, module: ModuleText, export: str, lower: LowerPlan, lift: LiftPlan) -> None:
        self.module = module
        self.type: FunctionType = lift.type
        self.lift = lift
        self.signature = core_signature(lift.type, lowered=True)
        self.caller, self.callee = Side(lower.context), Side(lift.context)
        head = f'(export "{export}") ' + " ".join(
            [f"(param $p{index} {core})" for index, core in enumerate(self.signature.parameters)]
            + [f"(result {core})" for core in self.signature.results]
        )
        self.function = Function(f"$call_{export}", head)
        self.flags = module.imported(Flags())
        self.borrows = any(contains(each.type, (Borrow,)) for each in lift.type.parameters)

    def write(self) -> None:
        """Write the whole function; what is left undone by a trap poisons both instances."""
        function, module = self.function, self.module
        caller, callee = self.caller.context.instance, self.callee.context.instance
        function.add(
            require(module, self._without(caller, MAY_NOT_LEAVE), Cause.CANNOT_LEAVE),
            require(module, self._without(callee, ENTERED), Cause.CANNOT_ENTER),
            self._set(callee, ENTERED | MAY_NOT_LEAVE),
        )
        if self.borrows:
            function.add(f"(call {module.imported(BeginScope())})")
        arguments = " ".join(f"(local.get {each})" for each in self._parameters())
        inner = core_signature(self.type, lowered=False)
        target = module.imported(Source(self.lift.target), inner)
        function.add(self._set(callee, ENTERED), f"(call {target} {arguments})")
        result = function.local(inner.results[0]) if inner.results else None
        if result is not None:
            function.add(f"local.set {result}")
        given = self._result(result)
        if self.borrows:
            function.add(f"(call {module.imported(EndScope())})")
        if self.lift.post_return is not None:
            post = module.imported(
                Source(self.lift.post_return), FunctionSignature(inner.results, ())
            )
            argument = "" if result is None else f"(local.get {result})"
            function.add(self._set(callee, ENTERED | MAY_NOT_LEAVE), f"(call {post} {argument})")
        function.add(self._set(callee, 0))
        if given is not None:
            function.add(f"(local.get {given})")
        module.add(function)

    def _without(self, instance: int, flag: int) -> str:
        load = f"(i32.load8_u {self.flags} (i32.const {instance}))"
        return f"(i32.eqz (i32.and {load} (i32.const {flag})))"

    def _set(self, instance: int, flags: int) -> str:
        return f"(i32.store8 {self.flags} (i32.const {instance}) (i32.const {flags}))"

    def _parameters(self) -> list[str]:
        translation = Translation(self.module, self.caller, self.callee)
        types = [each.type for each in self.type.parameters]
        if is_spilled(self.type):
            together = TupleType(tuple(types))
            size = size_of(together)
            target = self.function.local("i32")
            self.function.add(
                f"(drop (call {span(self.module, self.caller.memory)} (local.get $p0)"
                f" (i32.const 1) (i32.const {size.bytes}) (i32.const {size.alignment})))",
                f"(local.set {target} (call {allocator(self.module, self.callee)}"
                f" (i32.const {size.alignment}) (i32.const {size.bytes})))",
            )
            offset = 0
            for type_ in types:
                size = size_of(type_)
                offset = -(-offset // size.alignment) * size.alignment
                translation.copy_at(self.function, type_, Place("$p0", target, offset))
                offset += size.bytes
            return [target]
        names: list[str] = []
        at = 0
        for type_ in types:
            count = len(flatten(type_))
            given = [f"$p{at + index}" for index in range(count)]
            names += translation.flat(self.function, type_, given)
            at += count
        return names

    def _result(self, local: str | None) -> str | None:
        """Translate the result, and return the local of a direct one."""
        type_ = self.type.result
        if type_ is None or local is None:
            return None
        caller = self.caller.context.instance
        load = f"(i32.load8_u {self.flags} (i32.const {caller}))"
        store = f"(i32.store8 {self.flags} (i32.const {caller})"
        function = self.function
        function.add(f"{store} (i32.or {load} (i32.const {MAY_NOT_LEAVE})))")
        translation = Translation(self.module, self.callee, self.caller)
        given = None
        if is_indirect(self.type):
            size = size_of(type_)
            pointer = f"$p{len(self.signature.parameters) - 1}"
            for side, address in ((self.callee, local), (self.caller, pointer)):
                function.add(
                    f"(drop (call {span(self.module, side.memory)} (local.get {address})"
                    f" (i32.const 1) (i32.const {size.bytes}) (i32.const {size.alignment})))"
                )
            translation.copy_at(function, type_, Place(local, pointer, 0))
        else:
            given = translation.flat(function, type_, [local])[0]
        function.add(f"{store} (i32.and {load} (i32.const {0xFF ^ MAY_NOT_LEAVE})))")
        return given


def write_drop(
    module: ModuleText, export: str, number: int, *, instance: int, owner: int, target: CoreSource
) -> None:
    """Write `resource.drop`, number `number` of the plan, for a resource with a destructor.

    Dropping in the component that implements the resource is no call into another one.
    """
    head = f'(export "{export}") ' + signature_text(_DESTRUCTOR)
    function = Function(f"$drop_{export}", head.replace("(param i32)", "(param $handle i32)"))
    representation = function.local("i32")
    destructor = module.imported(Source(target), _DESTRUCTOR)
    function.add(
        f"(call {module.imported(DropHandle(number))} (local.get $handle))",
        f"local.set {representation}",
        "if",
    )
    call = f"(call {destructor} (local.get {representation}))"
    if instance == owner:
        function.add(call)
    else:
        flags = module.imported(Flags())
        load = f"(i32.load8_u {flags} (i32.const {owner}))"
        function.add(
            require(
                module,
                f"(i32.eqz (i32.and {load} (i32.const {ENTERED})))",
                Cause.CANNOT_ENTER,
            ),
            f"(i32.store8 {flags} (i32.const {owner}) (i32.const {ENTERED}))",
            call,
            f"(i32.store8 {flags} (i32.const {owner}) (i32.const 0))",
        )
    function.add("end")
    module.add(function)
