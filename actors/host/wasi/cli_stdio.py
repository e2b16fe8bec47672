"""`wasi:cli/{stdin,stdout,stderr}` and `wasi:cli/terminal-*`: a worker has no terminal."""

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.streams import ClosedInput, ConsoleOutput, InputSource, OutputSink
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value

__all__ = [
    "STDERR",
    "STDIN",
    "STDOUT",
    "TERMINAL_INPUT",
    "TERMINAL_OUTPUT",
    "TERMINAL_STDERR",
    "TERMINAL_STDIN",
    "TERMINAL_STDOUT",
]

STDIN = HostInterface("wasi:cli/stdin", version=WASI_VERSION)
STDOUT = HostInterface("wasi:cli/stdout", version=WASI_VERSION)
STDERR = HostInterface("wasi:cli/stderr", version=WASI_VERSION)
# These two have no functions: they declare the resources that the next three would return.
TERMINAL_INPUT = HostInterface("wasi:cli/terminal-input", version=WASI_VERSION)
TERMINAL_OUTPUT = HostInterface("wasi:cli/terminal-output", version=WASI_VERSION)
TERMINAL_STDIN = HostInterface("wasi:cli/terminal-stdin", version=WASI_VERSION)
TERMINAL_STDOUT = HostInterface("wasi:cli/terminal-stdout", version=WASI_VERSION)
TERMINAL_STDERR = HostInterface("wasi:cli/terminal-stderr", version=WASI_VERSION)


@STDIN.function("get-stdin", Kind.PURE)
def get_stdin(context: HostContext) -> InputSource:
    """Return a stream at its end."""
    del context
    return ClosedInput()


@STDOUT.function("get-stdout", Kind.PURE)
def get_stdout(context: HostContext) -> OutputSink:
    """Return the worker's standard output."""
    del context
    return ConsoleOutput("stdout")


@STDERR.function("get-stderr", Kind.PURE)
def get_stderr(context: HostContext) -> OutputSink:
    """Return the worker's standard error."""
    del context
    return ConsoleOutput("stderr")


@TERMINAL_STDIN.function("get-terminal-stdin", Kind.PURE)
@TERMINAL_STDOUT.function("get-terminal-stdout", Kind.PURE)
@TERMINAL_STDERR.function("get-terminal-stderr", Kind.PURE)
def no_terminal(context: HostContext) -> Value:
    """Return none."""
    del context
