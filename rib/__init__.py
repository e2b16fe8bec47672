"""Rib, a small typed expression language that calls components through a port.

    program = rib.compile(text, {"shop": world}, rib.GATEWAY_GLOBALS)
    value = await program.run(port, {"request.path.user": "eve"})

Pure: no network, no clock, no randomness. Uses `wit` alone.
"""

from rib.catalog import Catalog, FunctionUse
from rib.code import Input
from rib.compiler import check, compile  # noqa: A004 - the verb of the package
from rib.completion import Completion, complete
from rib.dependencies import broken_by
from rib.diagnostics import PARSE_CODES, Code, Diagnostic
from rib.errors import CallError, CompileError, ProgramFormatError, RibError, RunError
from rib.globals import ANY_GLOBALS, GATEWAY_GLOBALS, Globals
from rib.hover import Hover, hover
from rib.known_values import literals_at
from rib.port import NO_WORKERS, Port, Resource, ResourceDrop, Worker, WorkerCall
from rib.program import Program
from rib.report import report
from rib.scan import Piece, is_complete, open_at_end, scan
from rib.session import Line, Session, SessionVariable
from rib.syntax import Block
from rib.tests import Requirement, Test, TestFile, compile_test, parse_test_at, parse_tests

__all__ = [
    "ANY_GLOBALS",
    "GATEWAY_GLOBALS",
    "NO_WORKERS",
    "PARSE_CODES",
    "Block",
    "CallError",
    "Catalog",
    "Code",
    "CompileError",
    "Completion",
    "Diagnostic",
    "FunctionUse",
    "Globals",
    "Hover",
    "Input",
    "Line",
    "Piece",
    "Port",
    "Program",
    "ProgramFormatError",
    "Requirement",
    "Resource",
    "ResourceDrop",
    "RibError",
    "RunError",
    "Session",
    "SessionVariable",
    "Test",
    "TestFile",
    "Worker",
    "WorkerCall",
    "broken_by",
    "check",
    "compile",
    "compile_test",
    "complete",
    "hover",
    "is_complete",
    "literals_at",
    "open_at_end",
    "parse_test_at",
    "parse_tests",
    "report",
    "scan",
]
