"""wasi:http exchanges over real connections on the loopback, live and replayed."""

import asyncio
import contextlib
import gc

import pytest

from actors.host.http import exchange as exchange_module
from actors.host.http.fields import Fields
from actors.host.http.limits import EXCHANGES_MAX, RECEIVE_BUFFER_BYTES_MAX
from actors.host.http.messages import OutgoingRequest, RequestOptions
from actors.host.pollable import wait_for_any
from actors.host.table import TABLE
from wit.values import err, some

# What is left open shows when it is collected, which is after each test.
pytestmark = pytest.mark.usefixtures("quick_collections")


class Server:
    """Answers every connection with the same bytes and keeps what it was sent."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.port = 0
        self._serving = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        self._serving.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            body = b""
            if b"transfer-encoding" in head.lower():
                body = await reader.readuntil(b"0\r\n")
                body += await reader.readuntil(b"\r\n")
            elif b"content-length: " in head.lower():
                length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
                body = await reader.readexactly(int(length))
            self.requests.append((head, body))
            answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
            for part in answer if isinstance(answer, list) else [answer]:
                if part is None:
                    await reader.read()
                    break
                writer.write(part)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def http_function(name):
    interface = "wasi:http/outgoing-handler" if name == "handle" else "wasi:http/types"
    return TABLE[interface].functions[name].run


def request_to(port, *, method="get", headers=(), body=None):
    request = OutgoingRequest(Fields(headers))
    request.set_method((method, None))
    request.scheme = some(("HTTP", None))
    request.authority = f"127.0.0.1:{port}"
    request.set_path("/there?x=1")
    if body is not None:
        opened = request.open_body()
        opened.append(body)
        opened.finish([])
    return request


def send(context, request, options=None):
    result, future = http_function("handle")(context, request, options)
    assert result == "ok"
    return future


async def response_of(context, future):
    """Wait as a guest does; returns the inner result."""
    name = "poll"
    index = context.record(name, None, None, lambda: None)
    assert index is None
    if not context._to_replay:
        await wait_for_any(context, [future.subscribe()])
    (outcome,) = await future.get(context)
    return outcome[1]


async def body_of(context, response, limit=None):
    """Read all of the body, or `limit` pieces; returns pieces and how it ended."""
    body = http_function("[method]incoming-response.consume")(context, response)[1]
    source = http_function("[method]incoming-body.stream")(context, body)[1]
    pieces = []
    while limit is None or len(pieces) < limit:
        kind, content = await source.blocking_read(context, 1000)
        if kind == "err":
            return pieces, content[0] if content[0] == "closed" else content[1].http_code[0], body
        pieces.append(content)
    return pieces, None, body


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, 20))
    # A connection left open shows here, and not in another test.
    gc.collect()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello", b"hello"),
        (b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200\r\nX: y\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\nX:y\nTransfer-Encoding: Chunked\n\n3;a=b\nabc\n0\n\n", b"abc"),
        (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r\nlate", b"late"),
    ],
)
def test_a_response_arrives_however_it_is_framed(context, answer, expected):
    async def scenario():
        async with Server(answer) as server:
            kind, response = await response_of(context, send(context, request_to(server.port)))
            assert (kind, response.status) == ("ok", 200)
            assert response.headers.get("x") == [b"y"]
            assert response.headers.get("transfer-encoding") == []
            pieces, end, _ = await body_of(context, response)
            assert (b"".join(pieces), end) == (expected, "closed")

    run(scenario())


def test_a_request_is_sent_whole_with_a_key_of_its_own(context):
    async def scenario():
        async with Server(b"HTTP/1.1 204 No\r\n\r\n") as server:
            request = request_to(server.port, method="post", headers=[("A", b"b")], body=b"data")
            await response_of(context, send(context, request))
            [(head, body)] = server.requests
            lines = head.decode().split("\r\n")
            assert lines[0] == "POST /there?x=1 HTTP/1.1"
            assert f"host: 127.0.0.1:{server.port}" in lines
            assert "A: b" in lines
            assert "content-length: 4" in lines
            [key] = [line for line in lines if line.startswith("idempotency-key: ")]
            assert key.removeprefix("idempotency-key: ") == context.log[0][2]
            assert body == b"data"

    run(scenario())


def test_a_guests_own_key_is_left_alone(context):
    async def scenario():
        async with Server(b"HTTP/1.1 204 No\r\n\r\n") as server:
            request = request_to(server.port, headers=[("Idempotency-Key", b"mine")])
            await response_of(context, send(context, request))
            assert server.requests[0][0].lower().count(b"idempotency-key") == 1

    run(scenario())


def test_a_body_is_streamed_with_trailers_while_it_is_written(context):
    async def scenario():
        async with Server(b"HTTP/1.1 204 No\r\n\r\n") as server:
            request = request_to(server.port, method="put")
            body = request.open_body()
            future = send(context, request)
            for piece in (b"one", b"two"):
                body.append(piece)
                await asyncio.sleep(0)
            body.finish([("t", b"3")])
            await response_of(context, future)
            [(head, sent)] = server.requests
            assert b"transfer-encoding: chunked" in head
            assert b"".join(sent.split(b"\r\n")[1:-3:2]) == b"onetwo"
            assert sent.endswith(b"0\r\nt: 3\r\n")

    run(scenario())


def test_a_body_that_is_given_up_ends_the_exchange(context):
    async def scenario():
        async with Server(b"HTTP/1.1 204 No\r\n\r\n") as server:
            request = request_to(server.port, method="put")
            body = request.open_body()
            future = send(context, request)
            body.append(b"half")
            TABLE["wasi:http/types"].drops["outgoing-body"](context, body)
            assert await response_of(context, future) == err(("HTTP-protocol-error", None))

    run(scenario())


def test_trailers_arrive_after_the_body(context):
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nChecksum: 7\r\n\r\n"
    )

    async def scenario():
        async with Server(answer) as server:
            _, response = await response_of(context, send(context, request_to(server.port)))
            _, _, body = await body_of(context, response)
            future = http_function("[static]incoming-body.finish")(context, body)
            await wait_for_any(context, [future.subscribe()])
            ((_, (_, (fields,))),) = await future.get(context)
            assert fields.entries() == [("Checksum", b"7")]
            future.close()

    run(scenario())


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "connection-terminated"),
        (b"SSH-2.0\r\n\r\n", "HTTP-protocol-error"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP-protocol-error"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\n\r\n", "HTTP-protocol-error"),
        (
            b"HTTP/1.1 200 OK\r\n" + (b"A: " + b"x" * 60_000 + b"\r\n") * 3 + b"\r\n",
            "HTTP-response-header-section-size",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP-response-transfer-coding"),
        (b"HTTP/1.1 101 Switch\r\n\r\n", "HTTP-upgrade-failed"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
            "HTTP-protocol-error",
        ),
        (b"HTTP/1.1 100 A\r\n\r\n" * 20, "HTTP-protocol-error"),
    ],
)
def test_what_is_no_response_becomes_an_error_code(context, answer, code):
    async def scenario():
        async with Server(answer) as server:
            kind, (case, _) = await response_of(context, send(context, request_to(server.port)))
            assert (kind, case) == ("err", code)

    run(scenario())


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        (b"Content-Length: 10\r\n\r\nabc", "HTTP-response-incomplete"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "HTTP-response-incomplete"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", "HTTP-protocol-error"),
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n", "HTTP-protocol-error"),
    ],
)
def test_a_body_that_breaks_off_is_noticed(context, rest, code):
    async def scenario():
        async with Server(b"HTTP/1.1 200 OK\r\n" + rest) as server:
            _, response = await response_of(context, send(context, request_to(server.port)))
            pieces, end, _ = await body_of(context, response)
            assert (b"".join(pieces), end) == (b"abc", code)

    run(scenario())


def test_nobody_listening_is_a_refused_connection(context):
    async def scenario():
        async with Server(b"") as server:
            port = server.port
        outcome = await response_of(context, send(context, request_to(port)))
        assert outcome == err(("connection-refused", None))

    run(scenario())


def test_a_server_that_stays_silent_times_out(context):
    async def scenario():
        async with Server([None]) as server:
            options = RequestOptions()
            options.first_byte_ns = 10**7
            future = send(context, request_to(server.port), some(options))
            assert await response_of(context, future) == err(("HTTP-response-timeout", None))

    run(scenario())


def test_a_body_that_stops_times_out(context):
    async def scenario():
        async with Server([b"HTTP/1.1 200 OK\r\n\r\nabc", None]) as server:
            options = RequestOptions()
            options.between_bytes_ns = 10**7
            future = send(context, request_to(server.port), some(options))
            _, response = await response_of(context, future)
            pieces, end, _ = await body_of(context, response)
            assert (pieces, end) == ([b"abc"], "connection-read-timeout")

    run(scenario())


def test_an_endless_body_fills_a_bounded_buffer(context):
    endless = [b"HTTP/1.1 200 OK\r\n\r\n"] + [b"x" * 65536] * 400

    async def scenario():
        async with Server(endless) as server:
            _, response = await response_of(context, send(context, request_to(server.port)))
            fetch = response._exchange.fetch()
            while len(fetch.buffer) < RECEIVE_BUFFER_BYTES_MAX:
                await fetch.change()
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(fetch.buffer) < RECEIVE_BUFFER_BYTES_MAX + 65536
            response.close()
            await asyncio.gather(fetch._task, return_exceptions=True)

    run(scenario())


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2500\r\n\r\n" + bytes(range(250)) * 10


async def exchange_once(context, port, pieces=None):
    _, response = await response_of(context, send(context, request_to(port)))
    seen, end, _ = await body_of(context, response, pieces)
    return response, response.status, b"".join(seen), end


def test_a_finished_exchange_replays_without_a_connection(context):
    async def scenario():
        async with Server(ANSWER) as server:
            *_, status, body, end = await exchange_once(context, server.port)
            replayed = context.replayed()
            *_, again_status, again_body, again_end = await exchange_once(replayed, server.port)
            assert (again_status, again_body, again_end) == (status, body, end)
            assert (len(server.requests), replayed.log) == (1, context.log)

    run(scenario())


def test_a_worker_has_a_limited_number_of_exchanges_at_a_time(context):
    async def scenario():
        async with Server(ANSWER) as server:
            begun = [send(context, request_to(server.port)) for _ in range(EXCHANGES_MAX)]
            handle = http_function("handle")
            refused = handle(context, request_to(server.port), None)
            assert refused == err(("connection-limit-reached", None))
            begun[0].close()
            send(context, request_to(server.port))
            context.close()

    run(scenario())


def test_an_exchange_is_one_batch_that_carries_the_trace_on(context):
    async def scenario():
        async with Server(ANSWER) as server:
            await exchange_once(context, server.port)
            assert (context.batches, context.ended) == (1, [1])
            fields = server.requests[0][0].split(b"\r\n")
            (parent,) = [one for one in fields if one.startswith(b"traceparent: ")]
            (key,) = [one for one in fields if one.startswith(b"idempotency-key: ")]
            assert key == b"idempotency-key: key-1"
            _, trace_id, span_id, flags = parent.decode().removeprefix("traceparent: ").split("-")
            assert (trace_id, flags) == ("a" * 32, "01")
            assert span_id != "b" * 16
            again = context.replayed()
            await exchange_once(again, server.port)
            assert (again.batches, again.ended) == (1, [1])

    run(scenario())


def test_an_exchange_cut_anywhere_by_a_crash_goes_on_with_the_same_key(context, new_context):
    async def scenario():
        async with Server(ANSWER) as server:
            *_, body, _ = await exchange_once(context, server.port)
            keys = set()
            for length in range(1, len(context.log)):
                recovered = new_context(log=context.log[:length])
                *_, status, again, end = await exchange_once(recovered, server.port)
                assert (status, again, end) == (200, body, "closed"), length
            keys = {head.split(b"idempotency-key: ")[1] for head, _ in server.requests}
            assert len(keys) == 1
            # The last entry has the trailers, which nobody asks for.
            assert len(server.requests) == len(context.log) - 1

    run(scenario())


def test_a_response_that_was_announced_before_a_crash_is_there_after_it(context, new_context):
    async def scenario():
        async with Server(ANSWER) as server:
            await exchange_once(context, server.port)
            # The log ends with the poll that said "ready"; a guest need not expect none after it.
            names = [name for name, _, _ in context.log]
            recovered = new_context(log=context.log[: names.index("poll") + 1])
            future = send(recovered, request_to(server.port))
            assert recovered.record("poll", None, None, None) is None
            ((_, (kind, response)),) = await future.get(recovered)
            assert (kind, response.status) == ("ok", 200)
            response.close()

    run(scenario())


def test_a_recovered_exchange_does_not_wait_for_a_body_that_is_still_written(context):
    async def scenario():
        async with Server(b"HTTP/1.1 204 No\r\n\r\n") as server:
            first = request_to(server.port, method="put")
            first.open_body()
            send(context, first)
            context.close()
            recovered = context.replayed()
            second = request_to(server.port, method="put")
            body = second.open_body()
            future = send(recovered, second)
            assert await future.get(recovered) is None
            body.append(b"x")
            body.finish([])
            assert (await response_of(recovered, future))[0] == "ok"

    run(scenario())


def test_a_response_that_changed_after_a_crash_is_a_broken_connection(context):
    changed = ANSWER.replace(bytes(range(250)), bytes(250))

    async def scenario():
        async with Server(ANSWER, changed) as server:
            await exchange_once(context, server.port, pieces=1)
            context.close()
            *_, body, end = await exchange_once(context.replayed(), server.port)
            assert end == "connection-terminated"
            assert body == bytes(range(250)) * 4

    run(scenario())


def test_a_response_that_got_shorter_after_a_crash_is_a_broken_connection(context):
    async def scenario():
        shorter = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
        async with Server(ANSWER, shorter) as server:
            await exchange_once(context, server.port, pieces=1)
            context.close()
            *_, end = await exchange_once(context.replayed(), server.port)
            assert end == "connection-terminated"

    run(scenario())


def test_nothing_is_sent_before_the_commit(context):
    async def scenario():
        async with Server(ANSWER) as server:
            allowed = asyncio.Event()
            context.committed = allowed.wait
            future = send(context, request_to(server.port))
            for _ in range(50):
                await asyncio.sleep(0)
            assert server.requests == []
            assert await future.get(context) is None
            allowed.set()
            assert (await response_of(context, future))[0] == "ok"

    run(scenario())


def test_the_end_of_the_worker_cuts_its_connections(context):
    async def scenario():
        async with Server([None]) as server:
            send(context, request_to(server.port))
            send(context, request_to(server.port))
            fetches = list(context.state[exchange_module._OPEN])
            assert len(fetches) == 2
            assert len(context.closing) == 1
            context.close()
            await asyncio.gather(*(one._task for one in fetches), return_exceptions=True)
            assert all(one._task.cancelled() for one in fetches)

    run(scenario())


def test_dropping_the_future_cuts_the_connection(context):
    async def scenario():
        async with Server([None]) as server:
            future = send(context, request_to(server.port))
            fetch = future._exchange.fetch()
            TABLE["wasi:http/types"].drops["future-incoming-response"](context, future)
            await asyncio.gather(fetch._task, return_exceptions=True)
            assert fetch.error == ("connection-terminated", None)

    run(scenario())


def test_a_response_is_given_once(context):
    async def scenario():
        async with Server(ANSWER) as server:
            future = send(context, request_to(server.port))
            await response_of(context, future)
            assert await future.get(context) == some(err())

    run(scenario())


def test_a_hundred_exchanges_at_once_keep_apart(context):
    async def scenario():
        async with Server(ANSWER) as server:
            futures = [send(context, request_to(server.port)) for _ in range(100)]
            waiting = list(range(100))
            while waiting:
                ready = await wait_for_any(context, [futures[i].subscribe() for i in waiting])
                for index in [waiting[i] for i in ready]:
                    ((_, (kind, response)),) = await futures[index].get(context)
                    assert (kind, response.status) == ("ok", 200)
                    waiting.remove(index)
                    response.close()
            assert len(server.requests) == 100

    run(scenario())
