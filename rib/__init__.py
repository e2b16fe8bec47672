"""Rib, a small typed expression language that calls components through a port.

    program = rib.compile(text, {"shop": world}, rib.GATEWAY_GLOBALS)
    value = await program.run(port, {"request.path.user": "eve"})

Pure: no network, no clock, no randomness. Uses `wit` alone.
"""

from rib.catalog import FunctionUse
from rib.code import Input
from rib.compiler import check, compile  # noqa: A004 - the verb of the package
from rib.dependencies import broken_by
from rib.diagnostics import PARSE_CODES, Code, Diagnostic
from rib.errors import CallError, CompileError, ProgramFormatError, RibError, RunError
from rib.globals import ANY_GLOBALS, GATEWAY_GLOBALS, Globals
from rib.port import NO_WORKERS, Port, Resource, ResourceDrop, Worker, WorkerCall
from rib.program import Program
from rib.report import report

__all__ = [
    "ANY_GLOBALS",
    "GATEWAY_GLOBALS",
    "NO_WORKERS",
    "PARSE_CODES",
    "CallError",
    "Code",
    "CompileError",
    "Diagnostic",
    "FunctionUse",
    "Globals",
    "Input",
    "Port",
    "Program",
    "ProgramFormatError",
    "Resource",
    "ResourceDrop",
    "RibError",
    "RunError",
    "Worker",
    "WorkerCall",
    "broken_by",
    "check",
    "compile",
    "report",
]
