"""The state of one inference: what is known about each node, and what still waits to be known.

Rules for the single forms live in the `infer_*` modules. A rule says what it can say at once and
leaves the rest as pending; pending things are attempted until nothing moves, then defaults are
taken one kind after the other, and what moves by that is attempted again.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias, final

from msgspec import Struct

from rib.catalog import Catalog
from rib.diagnostics import Code, Diagnostic, diagnostic
from rib.globals import Globals
from rib.limits import DIAGNOSTICS_MAX, SUGGESTIONS_MAX, TYPE_PARTS_MAX
from rib.syntax import Binary, Expression, Node, Span, walk
from rib.terms import POISON, Term, Variable, is_too_large, show
from rib.unify import Conflict, unify
from rib.uses import InputUse, Use
from wit.limits import TYPE_DEPTH_MAX
from wit.misfit import near_matches

__all__ = ["Inference", "Local", "Pending", "Rule", "nearest"]


class Local(Struct, frozen=True, eq=False):
    """A variable of the program."""

    name: str
    slot: int
    term: Term


class Pending(Struct, frozen=True, eq=False):
    """Something that waits for a type. Both functions return whether it is settled.

    `force` takes the most likely reading, when nothing else moves any more.
    """

    attempt: Callable[[], bool]
    force: Callable[[], bool]


Rule: TypeAlias = Callable[["Inference", Expression], Term]


def nearest(name: str, known: list[str]) -> tuple[str, ...]:
    """Return the help line for a misspelt name, if a known one looks like it."""
    near = near_matches(name, known)[:SUGGESTIONS_MAX]
    return (f"did you mean `{near[0]}`?",) if near else ()


@final
class Inference:
    """Everything that rules share."""

    def __init__(
        self,
        text: str,
        root: Expression,
        catalog: Catalog,
        globals_: Globals,
        rules: Mapping[type, Rule],
    ) -> None:
        self.text: Final = text
        self.root: Final = root
        self.catalog: Final = catalog
        self.globals: Final = globals_
        self.types: Final[dict[Node, Term]] = {}
        self.uses: Final[dict[Node, Use]] = {}
        # The slots that a node introduces: of a `let`, a loop, a pattern.
        self.slots: Final[dict[Node, tuple[int, ...]]] = {}
        self.inputs: Final[dict[str, Term]] = {}
        # The numbers that nothing but a default gave a type.
        self.defaulted: Final[set[Variable]] = set()
        self.diagnostics: Final[list[Diagnostic]] = []
        self.warnings: Final[list[Diagnostic]] = []
        self.slot_count = 0
        self._rules = rules
        self._scopes: list[dict[str, Local]] = [{}]
        self._pending: list[Pending] = []
        self._parents: dict[Node, Node | None] | None = None

    # Expressions

    def infer(self, node: Expression) -> Term:
        """Return the type of an expression, as far as it is known yet."""
        term = self._rules[type(node)](self, node)
        self.types[node] = term
        return term

    def demand(
        self, expected: Term, node: Expression, details: tuple[str, ...] = (), path: str = ""
    ) -> None:
        """Make the type of an expression, inferred before, equal to another."""
        for conflict in unify(expected, self.types[node]):
            self.report_conflict(conflict, node, details, path)

    # Scopes

    @contextmanager
    def scope(self) -> Generator[None]:
        """Open a scope for variables."""
        self._scopes.append({})
        try:
            yield
        finally:
            self._scopes.pop()

    def define(self, name: str, term: Term, node: Node) -> int:
        """Introduce a variable; it shadows an older one of the same name. Returns its slot."""
        if is_too_large(term):
            self.report_too_large(node)
            term = POISON
        slot = self.slot_count
        self.slot_count += 1
        self._scopes[-1][name] = Local(name, slot, term)
        return slot

    def local(self, name: str) -> Local | None:
        """Return the variable of a name."""
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return None

    def local_names(self) -> list[str]:
        """Return the names of all variables in scope."""
        return [name for scope in self._scopes for name in scope]

    def locals(self) -> dict[str, Term]:
        """Return the types of all variables in scope, as far as they are known yet."""
        return {name: local.term for scope in self._scopes for name, local in scope.items()}

    # Waiting

    def later(self, attempt: Callable[[], bool], force: Callable[[], bool]) -> None:
        """Try something now, and again whenever more is known."""
        if not attempt():
            self._pending.append(Pending(attempt, force))

    def settle(self) -> bool:
        """Attempt everything that waits, until nothing moves. Returns whether anything moved."""
        moved_at_all = False
        moved = True
        while moved and self._pending:
            waiting, self._pending = self._pending, []
            left = [each for each in waiting if not each.attempt()]
            # Attempts may add new ones.
            moved = len(left) < len(waiting)
            moved_at_all = moved_at_all or moved
            self._pending = left + self._pending
        return moved_at_all

    def force(self) -> bool:
        """Force what waits, the oldest first, until something moves. Returns whether it did."""
        for index, each in enumerate(self._pending):
            if each.force():
                del self._pending[index]
                return True
        return False

    # Findings

    def report(
        self,
        node: Node,
        code: Code,
        cause: str,
        details: tuple[str, ...] = (),
        help: tuple[str, ...] = (),  # noqa: A002 - the word of the error format
    ) -> None:
        """Report an error at a node."""
        if len(self.diagnostics) < DIAGNOSTICS_MAX:
            self.diagnostics.append(
                diagnostic(
                    self.text,
                    node.span,
                    code,
                    cause,
                    parent=self._parent(node),
                    details=details,
                    help=help,
                )
            )

    def fault(
        self,
        node: Node,
        code: Code,
        cause: str,
        details: tuple[str, ...] = (),
        help: tuple[str, ...] = (),  # noqa: A002 - the word of the error format
    ) -> Term:
        """Report an error and return the type of a node that has none."""
        self.report(node, code, cause, details, help)
        return POISON

    def warn(self, node: Node, code: Code, cause: str, help: tuple[str, ...] = ()) -> None:  # noqa: A002 - as above
        """Report something that is allowed and still looks wrong."""
        if len(self.warnings) < DIAGNOSTICS_MAX:
            found = diagnostic(self.text, node.span, code, cause, help=help, severity="warning")
            self.warnings.append(found)

    def report_too_large(self, node: Node) -> None:
        """Report a type that is too large to be worked with."""
        cause = f"the type has more than {TYPE_PARTS_MAX} parts or {TYPE_DEPTH_MAX} levels"
        self.report(node, Code.TOO_LARGE, cause, (), ("build it of smaller values",))

    def report_conflict(
        self, conflict: Conflict, node: Node, details: tuple[str, ...] = (), path: str = ""
    ) -> None:
        """Report that the type of a node is not what its place needs."""
        full = ".".join(filter(None, (path, *conflict.path)))
        at = f" at path: `{full}`" if full else ""
        if conflict.missing:
            names = ", ".join(f"`{name}`" for name in conflict.missing)
            self.report(node, Code.MISSING_FIELDS, f"missing record fields{at}: {names}", details)
            return
        if conflict.surplus:
            names = ", ".join(f"`{name}`" for name in conflict.surplus)
            cause = f"unknown record fields{at}: {names}"
            self.report(node, Code.UNKNOWN_FIELD, cause, details)
            return
        expected, found = show(conflict.expected), show(conflict.found)
        if isinstance(self.uses.get(node), InputUse):
            cause = f"ambiguous types: `{expected}`, `{found}`"
            self.report(node, Code.AMBIGUOUS, cause, details)
            return
        cause = f"type mismatch{at}. expected {expected}, found {found}"
        self.report(node, Code.MISMATCH, cause, details, self._conversion(conflict, node))

    def _conversion(self, conflict: Conflict, node: Node) -> tuple[str, ...]:
        expected, found = show(conflict.expected), show(conflict.found)
        numbers = ("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64")
        if expected in numbers and found in numbers:
            return (f"convert it by `.to-{expected}()`",)
        if expected == "string" and found in (*numbers, "bool", "char"):
            return ('turn it into text by `"${…}"`',)
        is_operand = isinstance(self._parent_node(node), Binary)
        if expected == "number" and found == "string" and is_operand:
            return ('join texts by interpolation: `"${a}${b}"`',)
        loose = expected.startswith("option<") and found in {"number", "integer", "float"}
        if loose or expected == f"option<{found}>":
            return ("wrap it: `some(…)`",)
        return ()

    def place(self, node: Node) -> str:
        """Return line and column of a node in words."""
        start = node.span.start
        line_start = self.text.rfind("\n", 0, start) + 1
        return f"line {self.text.count(chr(10), 0, start) + 1} column {start - line_start + 1}"

    def _parent_node(self, node: Node) -> Node | None:
        if self._parents is None:
            self._parents = {each: parent for each, parent, _ in walk(self.root)}
        return self._parents.get(node)

    def _parent(self, node: Node) -> Span | None:
        parent = self._parent_node(node)
        while parent is not None and parent.span == node.span:
            parent = self._parent_node(parent)
        # The whole program says nothing about the place.
        return None if parent is None or parent is self.root else parent.span
