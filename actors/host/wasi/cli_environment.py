"""`wasi:cli/environment` and `wasi:cli/exit`."""

from actors.host.context import ExitRequest, HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, some

__all__ = ["ENVIRONMENT", "EXIT"]

ENVIRONMENT = HostInterface("wasi:cli/environment", version=WASI_VERSION)
EXIT = HostInterface("wasi:cli/exit", version=WASI_VERSION)


@ENVIRONMENT.function("get-environment", Kind.PURE)
def get_environment(context: HostContext) -> list[tuple[str, str]]:
    """Return the variables, fixed when the worker was created."""
    return list(context.environment)


@ENVIRONMENT.function("get-arguments", Kind.PURE)
def get_arguments(context: HostContext) -> list[str]:
    """Return the arguments, fixed when the worker was created."""
    return list(context.arguments)


@ENVIRONMENT.function("initial-cwd", Kind.PURE)
def initial_cwd(context: HostContext) -> Value:
    """Return the root of the worker's files."""
    del context
    return some("/")


@EXIT.function("exit", Kind.PURE)
def exit_(context: HostContext, status: Value) -> None:
    """End the guest with success or failure."""
    del context
    raise ExitRequest(0 if status[0] == "ok" else 1)


@EXIT.function("exit-with-code", Kind.PURE)
def exit_with_code(context: HostContext, status_code: int) -> None:
    """End the guest."""
    del context
    raise ExitRequest(status_code)
