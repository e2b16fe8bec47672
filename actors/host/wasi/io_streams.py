"""`wasi:io/streams`: the functions, over whatever stream they are called on.

They are pure, as the streams record for themselves: the bytes of a worker's own file need no entry,
those of a connection do. Every sink takes what `check-write` permitted. Reading and writing what
lies in a store may wait for it, as reading a file does elsewhere, however little the name says so.
"""

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Pollable
from actors.host.streams import READ_BYTES_MAX, InputSource, OutputSink, check_permit
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, ok

__all__ = ["STREAMS"]

STREAMS = HostInterface("wasi:io/streams", version=WASI_VERSION)


@STREAMS.function("[method]input-stream.read", Kind.PURE, blocking=True)
async def read(context: HostContext, stream: InputSource, length: int) -> Value:
    """Return what is there."""
    await stream.load(context)
    return stream.read(context, min(length, READ_BYTES_MAX))


@STREAMS.function("[method]input-stream.blocking-read", Kind.PURE, blocking=True)
async def blocking_read(context: HostContext, stream: InputSource, length: int) -> Value:
    """Wait for something."""
    await stream.load(context)
    return await stream.blocking_read(context, min(length, READ_BYTES_MAX))


@STREAMS.function("[method]input-stream.skip", Kind.PURE, blocking=True)
async def skip(context: HostContext, stream: InputSource, length: int) -> Value:
    """Read and forget; returns how many bytes."""
    await stream.load(context)
    return _count(stream.read(context, min(length, READ_BYTES_MAX)))


@STREAMS.function("[method]input-stream.blocking-skip", Kind.PURE, blocking=True)
async def blocking_skip(context: HostContext, stream: InputSource, length: int) -> Value:
    """Wait for something and forget it; returns how many bytes."""
    await stream.load(context)
    return _count(await stream.blocking_read(context, min(length, READ_BYTES_MAX)))


@STREAMS.function("[method]input-stream.subscribe", Kind.PURE)
def subscribe_input(context: HostContext, stream: InputSource) -> Pollable:
    """Return what becomes ready when there is something to read."""
    return stream.subscribe(context)


@STREAMS.function("[method]output-stream.check-write", Kind.PURE)
def check_write(context: HostContext, stream: OutputSink) -> Value:
    """Return the permit for the next write."""
    return stream.check_write(context)


@STREAMS.function("[method]output-stream.write", Kind.PURE, blocking=True)
async def write(context: HostContext, stream: OutputSink, contents: bytes) -> Value:
    """Take all of it."""
    check_permit("output-stream.write", len(contents))
    return await _write(context, stream, contents)


@STREAMS.function("[method]output-stream.blocking-write-and-flush", Kind.PURE, blocking=True)
async def blocking_write_and_flush(
    context: HostContext, stream: OutputSink, contents: bytes
) -> Value:
    """Take all of it and pass it on."""
    check_permit("output-stream.blocking-write-and-flush", len(contents))
    return await _write_through(context, stream, contents)


@STREAMS.function("[method]output-stream.flush", Kind.PURE)
def flush(context: HostContext, stream: OutputSink) -> Value:
    """Pass on what was taken."""
    return stream.flush(context)


@STREAMS.function("[method]output-stream.blocking-flush", Kind.PURE, blocking=True)
async def blocking_flush(context: HostContext, stream: OutputSink) -> Value:
    """Pass on what was taken."""
    return await stream.blocking_flush(context)


@STREAMS.function("[method]output-stream.subscribe", Kind.PURE)
def subscribe_output(context: HostContext, stream: OutputSink) -> Pollable:
    """Return what becomes ready when something may be written."""
    return stream.subscribe(context)


@STREAMS.function("[method]output-stream.write-zeroes", Kind.PURE, blocking=True)
async def write_zeroes(context: HostContext, stream: OutputSink, length: int) -> Value:
    """Take `length` zero bytes."""
    check_permit("output-stream.write-zeroes", length)
    return await _write(context, stream, bytes(length))


@STREAMS.function("[method]output-stream.blocking-write-zeroes-and-flush", Kind.PURE, blocking=True)
async def blocking_write_zeroes_and_flush(
    context: HostContext, stream: OutputSink, length: int
) -> Value:
    """Take `length` zero bytes and pass them on."""
    check_permit("output-stream.blocking-write-zeroes-and-flush", length)
    return await _write_through(context, stream, bytes(length))


@STREAMS.function("[method]output-stream.splice", Kind.PURE, blocking=True)
async def splice(
    context: HostContext, stream: OutputSink, source: InputSource, length: int
) -> Value:
    """Move what is there from `source`; returns how many bytes."""
    permit = stream.check_write(context)
    if permit[0] == "err":
        return permit
    wanted = min(length, permit[1])
    await source.load(context)
    taken = source.read(context, wanted) if wanted else ok(b"")
    return await _pass_on(context, stream, taken)


@STREAMS.function("[method]output-stream.blocking-splice", Kind.PURE, blocking=True)
async def blocking_splice(
    context: HostContext, stream: OutputSink, source: InputSource, length: int
) -> Value:
    """Wait for something from `source` and move it; returns how many bytes."""
    permit = stream.check_write(context)
    if permit[0] == "err":
        return permit
    wanted = min(length, permit[1])
    await source.load(context)
    taken = await source.blocking_read(context, wanted) if wanted else ok(b"")
    return await _pass_on(context, stream, taken)


@STREAMS.drop("input-stream")
def drop_input(context: HostContext, stream: InputSource) -> None:
    """Let go of the source."""
    stream.close(context)


@STREAMS.drop("output-stream")
def drop_output(context: HostContext, stream: OutputSink) -> None:
    """Let go of the sink."""
    stream.close(context)


async def _write(context: HostContext, stream: OutputSink, contents: bytes) -> Value:
    result = stream.write(context, contents)
    await stream.relieve(context)
    return result


async def _write_through(context: HostContext, stream: OutputSink, contents: bytes) -> Value:
    result = await _write(context, stream, contents)
    return result if result[0] == "err" else await stream.blocking_flush(context)


def _count(result: Value) -> Value:
    return ok(len(result[1])) if result[0] == "ok" else result


async def _pass_on(context: HostContext, stream: OutputSink, taken: Value) -> Value:
    if taken[0] == "err" or not taken[1]:
        return _count(taken)
    result = await _write(context, stream, taken[1])
    return ok(len(taken[1])) if result[0] == "ok" else result
