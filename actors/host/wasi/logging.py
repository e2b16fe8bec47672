"""`wasi:logging/logging`: lines with a level, kept apart from standard output."""

from actors.host.context import HostContext, LogLevel
from actors.host.interface import HostInterface, Kind

__all__ = ["LOGGING"]

LOGGING = HostInterface("wasi:logging/logging", version="0.1.0-draft", other_versions=(None,))


@LOGGING.function("log", Kind.PURE)
def log(context: HostContext, level: LogLevel, topic: str, message: str) -> None:
    """Emit a line."""
    context.write_log(level, topic, message)
