"""From text to a program."""

from collections.abc import Mapping

from rib.catalog import Catalog
from rib.diagnostics import Code, Diagnostic, diagnostic
from rib.emit import emit
from rib.errors import CompileError
from rib.globals import ANY_GLOBALS, Globals
from rib.parser import parse
from rib.program import Program
from rib.syntax import Span
from rib.typecheck import infer_types
from wit.world import World

__all__ = ["check", "compile"]


def compile(  # noqa: A001 - the verb of the package: `rib.compile`
    text: str,
    components: Mapping[str, World] | None = None,
    globals: Globals = ANY_GLOBALS,  # noqa: A002 - the word of the language
    *,
    tolerant: bool = False,
) -> Program:
    """Return the program that a text says, with all types known.

    Args:
        text: The program.
        components: What the components in scope export, by component name.
        globals: What the host offers as inputs.
        tolerant: Allow a `;` at the end, as people at a prompt write it.

    Raises:
        CompileError: all independent errors at once.
    """
    try:
        tree = parse(text, tolerant=tolerant)
        inference = infer_types(text, tree, Catalog(components or {}), globals)
        if inference.diagnostics:
            raise CompileError(tuple(sorted(inference.diagnostics, key=_place)))
        return Program(emit(inference, tree))
    except RecursionError:
        # The limits keep programs far from this, unless the caller's own stack is nearly full.
        cause = "the program is nested too deeply for what is left of the stack"
        raise CompileError((diagnostic(text, Span(0, 0), Code.TOO_LARGE, cause),)) from None


def check(
    text: str,
    components: Mapping[str, World] | None = None,
    globals: Globals = ANY_GLOBALS,  # noqa: A002 - the word of the language
    *,
    tolerant: bool = False,
) -> tuple[Diagnostic, ...]:
    """Return what is wrong with a text, errors and warnings; never raises for a wrong program."""
    try:
        return compile(text, components, globals, tolerant=tolerant).warnings
    except CompileError as error:
        return error.diagnostics


def _place(found: Diagnostic) -> tuple[int, int]:
    return found.start, found.end
