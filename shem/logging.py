"""Logs of the processes: for people on a terminal, JSON lines otherwise; always on stderr.

A line that cannot be written is lost, and nothing else: the disk is full, the terminal is closed,
or who read the pipe is gone.

Worker, key and trace ids are bound as context variables by who handles a message, and appear in
every line that is written meanwhile.
"""

import contextlib
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO, cast, final

import msgspec
import structlog
from opentelemetry import trace

__all__ = ["LEVELS", "say", "set_up", "set_up_library"]

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def set_up(level: str = "info", *, process: str | None = None) -> None:
    """Configure structlog and the standard library's logging, once per process.

    `process` is a name for the process that every line bears.
    """
    number = LEVELS[level]
    on_terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    renderer: list[structlog.typing.Processor]
    if on_terminal:
        renderer = [structlog.dev.ConsoleRenderer()]
    else:
        renderer = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy())),
        cache_logger_on_first_use=True,
    )
    if process is not None:
        structlog.contextvars.bind_contextvars(process=process)
    # Libraries speak through the standard library; only their complaints are of interest.
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def set_up_library() -> None:
    """Have a program that uses the client, and has not said what it wants, hear warnings on stderr.

    Without this, structlog would print every step of a reconnection to the program's stdout.
    """
    if not structlog.is_configured():
        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lossy())),
        )


def say(data: bytes) -> None:
    """Pass on what a child said, to where the log goes."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.buffer.write(data)
        sys.stderr.flush()


@final
class _Lossy:
    """Stderr as it is now, without errors: whoever logs has other things to do than to fail."""

    def __init__(self) -> None:
        self._stream = sys.stderr

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def _add_trace(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event


def _to_json(value: object, **_: object) -> str:
    return msgspec.json.encode(value, enc_hook=repr).decode()
