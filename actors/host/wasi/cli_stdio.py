"""`wasi:cli/{stdin,stdout,stderr}` and `wasi:cli/terminal-*`: a worker has no terminal."""

from typing import Final, final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.saving import StateKey, saveable
from actors.host.streams import CLOSED, BytesSource, ConsoleOutput, InputSource, OutputSink
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
    "give_input",
]

# What is left of the standard input of the running invocation.
_INPUT: Final = StateKey("cli/stdin")

STDIN = HostInterface("wasi:cli/stdin", version=WASI_VERSION)
STDOUT = HostInterface("wasi:cli/stdout", version=WASI_VERSION)
STDERR = HostInterface("wasi:cli/stderr", version=WASI_VERSION)
# These two have no functions: they declare the resources that the next three would return.
TERMINAL_INPUT = HostInterface("wasi:cli/terminal-input", version=WASI_VERSION)
TERMINAL_OUTPUT = HostInterface("wasi:cli/terminal-output", version=WASI_VERSION)
TERMINAL_STDIN = HostInterface("wasi:cli/terminal-stdin", version=WASI_VERSION)
TERMINAL_STDOUT = HostInterface("wasi:cli/terminal-stdout", version=WASI_VERSION)
TERMINAL_STDERR = HostInterface("wasi:cli/terminal-stderr", version=WASI_VERSION)


@saveable("cli/stdin")
@final
class Stdin(InputSource):
    """The standard input of whatever invocation runs: a program opens it once."""

    def read(self, context: HostContext, length: int) -> Value:
        """Return the next bytes."""
        source: BytesSource | None = context.state.get(_INPUT)
        return CLOSED if source is None else source.read(context, length)


def give_input(context: HostContext, data: bytes) -> None:
    """Set the standard input of the invocation that begins."""
    context.state[_INPUT] = BytesSource(data)


@STDIN.function("get-stdin", Kind.PURE)
def get_stdin(context: HostContext) -> InputSource:
    """Return the standard input; at its end unless the invocation brings some."""
    del context
    return Stdin()


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
