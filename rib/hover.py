"""What an expression of a text is: its type, and the function that a call means."""

from msgspec import Struct

from rib.catalog import Catalog
from rib.completion import Parse
from rib.errors import CompileError
from rib.globals import ANY_GLOBALS, Globals
from rib.inference import Inference
from rib.parser import parse as parse_program
from rib.syntax import Let, Node, Span, walk
from rib.terms import Poison, resolve, show
from rib.typecheck import infer_types
from rib.uses import ConstructorUse, HandleUse, MethodUse, WorkerUse
from wit.signatures import signature

__all__ = ["Hover", "hover"]


class Hover(Struct, frozen=True):
    """A range of the text and what is known of it."""

    start: int
    end: int
    text: str


def hover(
    text: str,
    offset: int,
    catalog: Catalog,
    globals_: Globals = ANY_GLOBALS,
    *,
    parse: Parse | None = None,
) -> Hover | None:
    """Return what stands at an offset, the innermost; None if the text does not parse.

    `parse` reads the text, if it is no plain program.
    """
    try:
        tree = parse_program(text, tolerant=True) if parse is None else parse(text)
        inference = infer_types(text, tree, catalog, globals_)
    except (CompileError, RecursionError):
        return None
    found: Hover | None = None
    for node, _, _ in walk(tree):
        if node.span.start <= offset < node.span.end:
            span, known = node.span, _known(inference, node)
            if isinstance(node, Let):
                # The name of a variable is no node; what it is called is told at its `let`.
                start = text.index(node.name, node.span.start + len("let"))
                span = Span(start, start + len(node.name))
                known = _known(inference, node.value) if span.start <= offset < span.end else None
            if known is not None:
                found = Hover(span.start, span.end, known)
    return found


def _known(inference: Inference, node: Node) -> str | None:
    match inference.uses.get(node):
        case WorkerUse(use) | ConstructorUse(use) | MethodUse(use) | HandleUse(use):
            return f"{signature(use.function)}\n(component {use.component})"
        case _:
            term = inference.types.get(node)
            if term is None or isinstance(resolve(term), Poison):
                return None
            return show(term)
