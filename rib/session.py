"""A program that comes line by line, as at a prompt: variables stay, calls are never repeated.

Every line is a program of its own that finds the variables of earlier lines already there, so
nothing earlier runs again. A number that only got its type by default stays open: the first line
that needs another type it fits into may have it.
"""

from collections.abc import Mapping
from typing import Final, final

from msgspec import Struct

from rib.arithmetic import convert
from rib.catalog import Catalog, FunctionUse
from rib.completion import Completion, complete
from rib.diagnostics import Code
from rib.emit import emit
from rib.errors import CompileError
from rib.fault import Fault
from rib.frame import Counters, Frame
from rib.globals import Globals
from rib.inference import Inference
from rib.parser import parse
from rib.port import Port
from rib.program import Program
from rib.syntax import Block, Expression, Let, Number, Unary
from rib.terms import INTEGERS, Term, Variable, resolve, show
from rib.typecheck import infer_types
from wit.types import Primitive
from wit.values import Value
from wit.world import World

__all__ = ["Line", "Session", "SessionVariable"]

_NOTHING: Final = Globals(roots=frozenset())


class SessionVariable(Struct, frozen=True, eq=False):
    """A variable that an earlier line made. `open_types` are those that a number may still have."""

    term: Term
    value: Value
    open_types: frozenset[Primitive] | None = None

    @property
    def type(self) -> str:
        """Its type as messages show it."""
        return show(self.term)


class _Made(Struct, frozen=True, eq=False):
    """A variable that a line makes."""

    slot: int
    term: Term
    open_types: frozenset[Primitive] | None


class Line(Struct, frozen=True, eq=False):
    """A compiled line. `program.result` None: it has no value to show.

    `kind` says in words what the line gives, also where that is an instance or a resource.
    """

    program: Program
    kind: str
    made: Mapping[str, _Made]
    known: Mapping[str, Primitive | None]


@final
class Session:
    """Lines that share variables and the numbering of calls."""

    def __init__(self, components: Mapping[str, World], globals_: Globals = _NOTHING) -> None:
        self._globals = globals_
        self._components: dict[str, World] = dict(components)
        self._catalog = Catalog(self._components)
        self._variables: dict[str, SessionVariable] = {}
        self._counters = Counters()
        self._functions: list[FunctionUse] = []

    @property
    def components(self) -> Mapping[str, World]:
        """The components in scope."""
        return self._components

    @property
    def variables(self) -> Mapping[str, SessionVariable]:
        """The variables that lines made."""
        return self._variables

    @property
    def functions(self) -> tuple[FunctionUse, ...]:
        """The functions that lines have used."""
        return tuple(self._functions)

    def load(self, name: str, world: World) -> None:
        """Bring a component into scope, or its newer version."""
        self._components[name] = world
        self._catalog = Catalog(self._components)

    def unload(self, name: str) -> None:
        """Take a component out of scope; variables stay."""
        self._components.pop(name, None)
        self._catalog = Catalog(self._components)

    def clear(self) -> None:
        """Forget all variables. Positions go on, so that no key is used twice."""
        self._variables.clear()

    def mark(self) -> tuple[int, int]:
        """Return where the numbering of calls stands."""
        return self._counters.position, self._counters.ordinal

    def rewind(self, mark: tuple[int, int]) -> None:
        """Number the next calls from an earlier mark: for running an interrupted line again.

        The same line gives its calls the same keys then, and thereby gets their outcomes.
        """
        self._counters.position, self._counters.ordinal = mark

    def environment(self) -> dict[str, Term]:
        """Return the types of all variables; those of open numbers are still to be found."""
        return {
            name: each.term if each.open_types is None else Variable(each.open_types)
            for name, each in self._variables.items()
        }

    def compile(self, text: str) -> Line:
        """Return a line ready to run; a `;` at its end is allowed.

        Raises:
            CompileError: all independent errors at once.
        """
        tree = parse(text, tolerant=True)
        environment = self.environment()
        inference = infer_types(text, tree, self._catalog, self._globals, environment=environment)
        if inference.diagnostics:
            found = sorted(inference.diagnostics, key=lambda each: (each.start, each.end))
            raise CompileError(tuple(found))
        return Line(
            Program(emit(inference, tree)),
            show(inference.types[tree]),
            _made_by(inference, tree),
            {name: _number_type(term) for name, term in environment.items()},
        )

    def complete(self, text: str, offset: int) -> list[Completion]:
        """Return what may stand at an offset of a line that is still being written."""
        return complete(text, offset, self._catalog, self._globals, environment=self.environment())

    def type_of(self, text: str) -> str:
        """Return the type of a program in words, also where no program may return it.

        Raises:
            CompileError: it has none.
        """
        tree = parse(text, tolerant=True)
        inference = infer_types(
            text, tree, self._catalog, self._globals, environment=self.environment()
        )
        held = {Code.RETURNS_INSTANCE, Code.RETURNS_RESOURCE}
        found = tuple(each for each in inference.diagnostics if each.code not in held)
        if found:
            raise CompileError(found)
        return show(inference.types[tree])

    async def run(self, line: Line, port: Port) -> Value:
        """Run a line and keep its variables. A line that fails leaves none behind.

        Raises:
            RunError: as `Program.run`.
        """
        frame = Frame(line.program.slot_count, (), counters=self._counters)
        for slot, (name, type_) in enumerate(line.known.items()):
            frame.slots[slot] = _as(self._variables[name].value, type_)
        value = await line.program.execute(frame, port)
        for name, made in line.made.items():
            kept = frame.slots[made.slot]
            self._variables[name] = SessionVariable(
                made.term, kept, _fitting(kept, made.open_types)
            )
        self._functions += [use for use in line.program.functions if use not in self._functions]
        return value


def _made_by(inference: Inference, tree: Block) -> dict[str, _Made]:
    made: dict[str, _Made] = {}
    for statement in tree.statements:
        if isinstance(statement, Let):
            term = inference.types[statement.value]
            slot = inference.slots[statement][0]
            open_types = _open_types(inference, statement.value, term)
            made[statement.name] = _Made(slot, resolve(term), open_types)
    return made


def _open_types(inference: Inference, value: Expression, term: Term) -> frozenset[Primitive] | None:
    while isinstance(term, Variable) and isinstance(term.target, Variable):
        term = term.target
    if not isinstance(term, Variable) or term not in inference.defaulted:
        return None
    allowed = term.allowed
    assert allowed is not None
    # What was computed as an integer is not what floats would have given.
    is_literal = isinstance(value, Number) or (
        isinstance(value, Unary) and isinstance(value.operand, Number)
    )
    return allowed if is_literal or term.target not in INTEGERS else allowed & INTEGERS


def _fitting(value: Value, types: frozenset[Primitive] | None) -> frozenset[Primitive] | None:
    if types is None:
        return None
    return frozenset(each for each in types if _fits(value, each))


def _fits(value: Value, type_: Primitive) -> bool:
    try:
        # A large integer may have no float of the same value.
        return bool(convert(value, type_, type_) == value)
    except Fault:
        return False


def _number_type(term: Term) -> Primitive | None:
    found = resolve(term)
    return found if isinstance(term, Variable) and isinstance(found, Primitive) else None


def _as(value: Value, type_: Primitive | None) -> Value:
    return value if type_ is None else convert(value, type_, type_)
