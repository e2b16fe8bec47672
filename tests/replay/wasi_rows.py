"""WASI 0.2 from C, over bindings and nothing else: every function of every interface.

A step names a part of the guest's source under `tests/guests/wasi`; its answer is what the guest
said there, in order.
"""

from base64 import b64encode
from typing import Any

from actors.host.buffered import BUFFERED_BYTES_MAX
from actors.host.http.limits import MESSAGE_BYTES
from actors.host.sockets.limits import (
    RECEIVE_BUFFER_BYTES_MAX,
    SEND_BUFFER_BYTES_MAX,
    SOCKETS_MAX,
)
from tests.replay.harness import Effect, Row, Step, http

__all__ = ["WASI_ROWS"]


def part(name: str, *answer: Any) -> Step:
    return Step("call", (name,), list(answer))


def trap(name: str) -> Step:
    return Step("call", (name,), failure="trap")


# What the guest says of the request that it is asked.
_DESCRIBED = "2\n/p?q\n1\nh.test\n1\nerror\nhi\n"
_PIECE = 64 << 10
# What a hundred sockets and a request leave of it.
_SOCKETS = SOCKETS_MAX * (RECEIVE_BUFFER_BYTES_MAX + SEND_BUFFER_BYTES_MAX)
_LEFT = BUFFERED_BYTES_MAX - _SOCKETS - MESSAGE_BYTES
_EXITS = tuple(
    Row(
        name=f"wasi:cli in C, {way}",
        guest="wasi-cli",
        script=(part("terminals", "no", "no", "no"), Step("call", (way,), failure="exited")),
        state=(Step("call", ("heard",), failure="previous-invocation-exited"),),
        exits=True,
    )
    for way in ("exit", "exit-with-code")
)

WASI_ROWS = (
    Row(
        name="wasi:cli in C",
        guest="wasi-cli",
        script=(
            part("terminals", "no", "no", "no"),
            part("environment", "0", "/"),
            part("streams", "written"),
            Step("wasi:cli/run.{run}", ({"base64": "b25lCnR3bw=="},), {"ok": None}),
            part("heard", "one\ntwo"),
            Step("wasi:cli/run.{run}", (), {"err": None}),
        ),
        state=(part("heard", ""),),
    ),
    *_EXITS,
    Row(
        name="wasi:clocks and wasi:random in C",
        guest="wasi-clocks",
        script=(
            part("monotonic", "yes", "yes", "no", "yes"),
            part("wall", "$now", "yes", "yes", "UTC", "0"),
            part("random", "5", "$drawn", "6", ..., ...),
            part("again", "$drawn"),
        ),
        state=(part("again", "$drawn"),),
    ),
    Row(
        name="more random bytes than there is memory, in C",
        guest="wasi-clocks",
        script=(trap("too much"),),
        failures=True,
    ),
    Row(
        name="wasi:io in C",
        guest="wasi-io",
        script=(
            part("begin"),
            part("input", "01", "23", "1", "1", "yes"),
            part("output", "yes", "3", "2"),
            part("polled", "1", "2", "3"),
            part("errors", "1", "1", "0", "yes", "yes"),
        ),
        state=(part("written", "wb...6789a"),),
    ),
    *(
        Row(
            name=f"wasi:io in C, {name}",
            guest="wasi-io",
            script=(part("begin"), trap(name)),
            failures=True,
        )
        for name in ("nothing", "too much")
    ),
    Row(
        name="wasi:filesystem in C",
        guest="wasi-filesystem",
        script=(
            part("begin", "1", "/"),
            part("contents", "11", "ello", "yes", "Jello!!"),
            part("metadata", "3", "6", "7", "1", "$modified", "6", "5", "yes", "yes", "no"),
            part("names", "z", "a", "s", "not-empty", "ok"),
            part(
                "errors",
                *("no-entry", "exist", "not-directory", "not-permitted", "not-permitted"),
                *("not-permitted", "invalid", "exist", "no-entry", "not-directory"),
                *("not-directory", "is-directory", "file-too-large", "file-too-large"),
                *("no-entry", "no-entry", "no-entry", "not-permitted", "not-permitted"),
                *("not-permitted", "file-too-large"),
            ),
        ),
        state=(part("contents", "11", "ello", "yes", "Jello!!"),),
    ),
    Row(
        name="wasi:sockets in C, without the permission",
        guest="wasi-sockets",
        script=(part("denied", *("access-denied",) * 3),),
    ),
    Row(
        name="wasi:sockets in C, servers and their clients",
        guest="wasi-sockets",
        script=(
            part("listen", "no", "yes", "yes", "would-block"),
            part("converse", "conversed"),
            part("reset", "connection-reset"),
        ),
        state=(part("converse", "conversed"),),
        options={"settings": {"sockets": True}},
    ),
    Row(
        name="wasi:sockets in C, options and errors",
        guest="wasi-sockets",
        script=(
            part("names", "invalid-argument", "yes"),
            part(
                "tcp-options",
                "0",
                *("5000000000", "invalid-argument", "6000000000", "invalid-argument"),
                *("7", "invalid-argument", "8", "invalid-argument"),
                *("9000", "invalid-argument", "10000", "invalid-argument", "no", "yes"),
            ),
            part(
                "tcp-errors",
                *("not-in-progress", "not-in-progress", "invalid-state", "not-in-progress"),
                *("invalid-state",) * 4,
                *("invalid-argument",) * 3,
                "connection-refused",
            ),
        ),
        options={"settings": {"sockets": True}},
    ),
    Row(
        name="wasi:sockets in C, datagrams",
        guest="wasi-sockets",
        script=(
            part("names", ..., ...),
            part(
                "udp-begin",
                *("not-in-progress", "invalid-state", "invalid-state"),
                *("5", "invalid-argument", "60000", "invalid-argument", "70000"),
                *("invalid-argument", "0", "invalid-state"),
            ),
            part("udp-talk", "yes", "heard", "invalid-argument", "datagram-too-large"),
        ),
        state=(part("udp-talk", "yes", "heard", "invalid-argument", "datagram-too-large"),),
        options={"settings": {"sockets": True}},
    ),
    Row(
        name="wasi:http in C, without a server",
        guest="wasi-http",
        script=(
            part("fields", "no", "1", "2", "4", "0", "0", "1", "0", "2", "2", "2"),
            part("requests", "BREW", "error", "/a?b=1", "error", "1", "h:1", "error", "error"),
            part("options", "no", "1000", "no", "2000", "no", "3000"),
            http(
                {
                    "method": "post",
                    "path-with-query": "/p?q",
                    "scheme": "https",
                    "authority": "h.test",
                    "headers": [["a", "1"]],
                    "body": {"base64": "aGk="},
                },
                {
                    "ok": {
                        "status": 201,
                        "headers": [],
                        "body": {"base64": b64encode(_DESCRIBED.encode()).decode()},
                        "trailers": [],
                    }
                },
            ),
            http({"method": "delete"}, {"err": {"loop-detected": None}}),
        ),
    ),
    Row(
        name="wasi:http in C, with a server",
        guest="wasi-http",
        script=(
            part(
                "exchange $HTTP",
                *("error", "ok", "yes", "yes", "200", "yes", "2", "error", "error", "yes"),
            ),
            part("trailers $HTTP", "yes", "yes", "3"),
            part("failures $HTTP", "6", "0", "yes"),
        ),
        effects={
            "POST /echo/c": (Effect.SAME_KEY, 1),
            "GET /long/3": (Effect.SAME_KEY, 1),
            "GET /cut/10": (Effect.SAME_KEY, 1),
        },
    ),
    Row(
        name="wasi:keyvalue in C",
        guest="wasi-keyvalue",
        script=(
            part("store", "1", "none", "yes", "no", "a", "no"),
            part("atomics", "5", "-2", "1", "ok", "1", "3"),
            part("batch", "x", "7", "none", "none", "y", "8"),
            part("errors", "0", "2", "2", "2", "2"),
        ),
        bucket={"orders": {"a": "3", "n": "-2", "word": "no number"}},
    ),
    Row(
        name="wasi:keyvalue 0.1 in C",
        guest="wasi-keyvalue-0-1",
        script=(
            part("eventual", "yes", "no", "3", "no"),
            part("batch", "x", "y", "1", "none", "2"),
            part("atomic", "4", "yes", "no"),
            part("errors", "yes", "yes", "error", "error", "error"),
        ),
        state=(part("again", "one"),),
        bucket={"old": {"n": "9", "word": "word"}},
    ),
    Row(
        name="wasi:keyvalue/cache in C",
        guest="wasi-keyvalue-0-1",
        script=(part("cache", "v", "yes"), part("filled", "1", "0", "filled")),
        bucket={"cache:counter": {"s": "filled"}},
    ),
    Row(
        name="wasi:blobstore, wasi:config and wasi:logging in C",
        guest="wasi-blobstore",
        script=(
            part(
                "objects", "box", "box", "ok", "ok", "3", "234", "0123456789", "yes", "3", "1", "b"
            ),
            part("containers", "a", "b", "d", "yes", "d", "yes", "ok", "no"),
            part("errors", *("error",) * 6),
            part("others", "no", "yes"),
        ),
    ),
    Row(
        name="all that the host keeps for a worker, in C",
        guest="wasi-limits",
        script=(
            part("connections", "100"),
            part("drawn", ...),
            part(
                "filled",
                str(_LEFT // _PIECE),
                f"{_PIECE} bytes more: the host keeps at most {BUFFERED_BYTES_MAX} for one worker",
                *("38", "1"),
            ),
            part("drawn", ...),
            part("given back", "room"),
        ),
        state=(part("again", str(_LEFT // _PIECE)), part("connections", "100")),
        options={"settings": {"sockets": True}},
    ),
    *(
        Row(
            name=f"{name} without end, in C",
            guest="wasi-limits",
            script=(part("drawn", ...), trap(name)),
            failures=True,
        )
        for name in ("fields", "messages")
    ),
)
