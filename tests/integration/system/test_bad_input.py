"""Whatever comes in: a clear error to whom it concerns, and everybody else goes on."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import nats.errors
import pytest
import wasmtime

from tests.integration.system.caller import Caller, calling
from tests.integration.system.whole import Whole

# They share one system.

MEBIBYTE = 1 << 20
_numbers = count(1)

# Payload, error kind, words that the message must hold: the place, and what was expected there.
MESSAGES: dict[str, tuple[bytes, str, list[str]]] = {
    "unknown function": (b"ad(5)", "unknown-function", ["ad", "add"]),
    "unknown interface": (b"demo:other/api.{add}(5)", "unknown-function", ["demo:other/api"]),
    "too few": (b"add()", "bad-parameters", ["add}(value: u64)", "expected 1"]),
    "too many": (b"add(1, 2)", "bad-parameters", ["add}(value: u64)", "got 2"]),
    "wrong type": (b'add("five")', "bad-parameters", ["value", "u64"]),
    "negative": (b"add(-1)", "bad-parameters", ["value", "u64"]),
    "too big": (b"add(18446744073709551616)", "bad-parameters", ["value", "u64"]),
    "inner place": (
        b'describe([{name: "a", quantity: 1, price: 1.5}, {name: "b", quantity: true, price: 2}])',
        "bad-parameters",
        ["quantity", "u32"],
    ),
    "cut off": (b"add(5", "bad-message", ["line 1, column 4", "never closed"]),
    "no call": (b"add 5", "bad-message", ["line 1, column 5"]),
    "empty": (b"", "bad-message", ["empty", "add(5)"]),
    "not UTF-8": (b"add(\xff)", "bad-message", ["UTF-8", "4"]),
    "not UTF-8 in JSON": (
        b'{"function": "say", "params": ["\xff"]}',
        "bad-message",
        ["UTF-8", "32"],
    ),
    "JSON cut off": (b'{"function": "add", "params": [5', "bad-message", ["JSON", "function"]),
    "JSON without function": (b'{"params": [5]}', "bad-message", ["function"]),
    "JSON with more": (b'{"function": "add", "parms": [5]}', "bad-message", ["parms"]),
    "JSON of wrong type": (
        b'{"function": "add", "params": ["five"]}',
        "bad-parameters",
        ["value", "u64"],
    ),
    "JSON with an unknown name": (
        b'{"function": "add", "params": {"valu": 5}}',
        "bad-parameters",
        ["valu"],
    ),
    "JSON params of no list": (b'{"function": "add", "params": 5}', "bad-parameters", ["array"]),
    "JSON fraction": (b'{"function": "add", "params": [1.5]}', "bad-parameters", ["value", "u64"]),
    "deep WAVE": (b"add(" + b"[" * 50_000 + b")", "bad-message", ["deep"]),
    "deep JSON": (
        b'{"function": "add", "params": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "bad-message",
        ["deep"],
    ),
    "too large": (b'say("' + b"x" * MEBIBYTE + b'")', "too-large", [str(MEBIBYTE)]),
}
# What can be typed: WAVE calls, in characters.
ON_A_LINE = (
    "unknown function",
    "unknown interface",
    "too few",
    "too many",
    "wrong type",
    "negative",
    "too big",
    "inner place",
    "cut off",
    "deep WAVE",
)
HEADERS: dict[str, tuple[dict[str, str], list[str]]] = {
    "key": ({"Shem-Key": "k" * 257}, ["Shem-Key", "256"]),
    "environment": ({"Shem-Env": "{no JSON"}, ["Shem-Env"]),
    "arguments": ({"Shem-Args": '{"no": "list"}'}, ["Shem-Args"]),
}


@asynccontextmanager
async def neighbours(whole: Whole) -> AsyncIterator[Caller]:
    """A caller, whose other workers are as before when it is done."""
    async with calling(whole.urls) as caller:
        before = await caller.call("neighbour", "add(1)")
        log = whole.executors[0].log_file
        told = len(log.read_text())
        yield caller
        after = await caller.call("neighbour", "add(1)")
        assert after["result"] == before["result"] + 1
        assert whole.executors[0].is_running
        assert "Traceback" not in log.read_text()[told:]


@pytest.mark.parametrize("name", MESSAGES)
async def test_a_bad_message_gets_an_outcome_and_its_worker_goes_on(
    whole: Whole, name: str
) -> None:
    payload, kind, words = MESSAGES[name]
    async with neighbours(whole) as caller:
        worker, key = f"poisoned-{next(_numbers)}", f"bad-{next(_numbers)}"
        assert (await caller.invoke(worker, "add(5)", key=f"{key}-before"))["result"] == 5
        await caller.publish(worker, payload, key=key)
        good = await caller.invoke(worker, "add(2)", key=f"{key}-after")
        assert good["result"] == 7
        outcome = await caller.outcome(key)
        assert "result" not in outcome
        _check(outcome["error"], kind, words)
        await caller.until(lambda: caller.outcomes[key])
        assert caller.outcomes[key][0] == outcome, "the result event says something else"
        again = await caller.invoke(worker, payload, key=key, message_id=f"{key}#2")
        assert again["error"] == outcome["error"]
        types = [entry.type for entry in await caller.log(worker)]
        assert types.count("invocation-rejected") == 1
        assert types.count("exported-function-invoked") == 2


@pytest.mark.parametrize("name", MESSAGES)
async def test_a_bad_first_message_does_not_keep_a_worker_from_coming_to_be(
    whole: Whole, name: str
) -> None:
    payload, kind, words = MESSAGES[name]
    async with neighbours(whole) as caller:
        worker, key = f"poisoned-{next(_numbers)}", f"bad-{next(_numbers)}"
        _check((await caller.invoke(worker, payload, key=key))["error"], kind, words)
        assert (await caller.call(worker, "add(2)"))["result"] == 2


@pytest.mark.parametrize("name", HEADERS)
async def test_a_bad_header_gets_an_outcome_too(whole: Whole, name: str) -> None:
    headers, words = HEADERS[name]
    async with neighbours(whole) as caller:
        sequence = await caller.publish("headers", "add(1)", headers=headers)
        key = f"seq-{sequence}"
        _check((await caller.outcome(key))["error"], "bad-message", words)
        asked = await caller.call("headers", "add(1)", headers=headers)
        _check(asked["error"], "bad-message", words)


async def test_an_unknown_component_is_named(whole: Whole) -> None:
    async with neighbours(whole) as caller:
        outcome = await caller.invoke("x", "add(1)", key="nobody", component="nobody")
        _check(outcome["error"], "unknown-component", ["nobody"])
        asked = await caller.call("x", "add(1)", component="nobody")
        assert asked["error"] == outcome["error"]


async def test_a_message_beyond_the_broker_s_limit_leaves_the_connection_whole(
    whole: Whole,
) -> None:
    async with neighbours(whole) as caller:
        with pytest.raises(nats.errors.MaxPayloadError):
            await caller.stream.publish("shem.invoke.load.x", b"x" * 9 * MEBIBYTE)


@pytest.mark.parametrize("name", ON_A_LINE)
def test_the_command_line_tells_the_same(whole: Whole, name: str) -> None:
    payload, kind, words = MESSAGES[name]
    text = payload.decode()
    done = whole.run("worker", "invoke", "load/told", text, "-o", "json")
    assert done.returncode == 1
    _check(json.loads(done.stdout)["error"], kind, words)
    assert "Traceback" not in done.stderr
    in_text = whole.run("worker", "invoke", "load/told", text)
    assert (in_text.returncode, in_text.stdout) == (1, "")
    assert kind in in_text.stderr


@pytest.mark.parametrize(
    ("params", "kind", "words"),
    [
        ('["five"]', "bad-parameters", ["value", "u64"]),
        ("[]", "bad-parameters", ["1"]),
        ('{"valu": 5}', "bad-parameters", ["valu"]),
    ],
)
def test_the_command_line_tells_about_json_too(
    whole: Whole, params: str, kind: str, words: list[str]
) -> None:
    arguments = ["worker", "invoke", "load/told", "add", "--params", params, "-o", "json"]
    done = whole.run(*arguments)
    assert done.returncode == 1
    _check(json.loads(done.stdout)["error"], kind, words)


def test_the_command_line_tells_of_a_call_that_is_too_large(whole: Whole) -> None:
    size = 16 * MEBIBYTE
    done = whole.run("worker", "invoke", "load/told", f'say("{"x" * size}")', "-o", "json")
    assert done.returncode == 1
    _check(json.loads(done.stdout)["error"], "too-large", [str(size)])


COMPONENTS: dict[str, tuple[bytes, list[str]]] = {
    "text": (b"this is no component", ["component"]),
    "empty": (b"", ["component"]),
    "core module": (bytes(wasmtime.wat2wasm("(module)")), ["core module", "component"]),
    "cut off": (bytes(wasmtime.wat2wasm("(component (core module))"))[:-3], ["byte 0x8"]),
    "future WASI": (
        bytes(
            wasmtime.wat2wasm("""(component
                (import "wasi:clocks/monotonic-clock@0.3.0" (instance $clock
                    (export "now" (func (result u64)))))
                (core func $now (canon lower (func $clock "now"))))""")
        ),
        ["wasi:clocks/monotonic-clock@0.3.0"],
    ),
    "imports typed otherwise": (
        bytes(
            wasmtime.wat2wasm("""(component
                (import "wasi:random/random@0.2.0" (instance $random
                    (export "get-random-u64" (func (result u32)))))
                (core func $draw (canon lower (func $random "get-random-u64"))))""")
        ),
        ["wasi:random/random@0.2.0#get-random-u64", "func() -> u32", "func() -> u64"],
    ),
    "unknown imports": (
        bytes(
            wasmtime.wat2wasm("""(component
                (import "acme:rockets/engine" (instance $engine
                    (export "ignite" (func)) (export "stop" (func))))
                (import "acme:rockets/pad" (instance $pad
                    (export "clear" (func (result bool)))))
                (core func $ignite (canon lower (func $engine "ignite")))
                (core func $stop (canon lower (func $engine "stop")))
                (core func $clear (canon lower (func $pad "clear"))))""")
        ),
        ["acme:rockets/engine", "ignite", "stop", "acme:rockets/pad", "clear"],
    ),
}


@pytest.fixture(params=COMPONENTS)
def bad_component(request: pytest.FixtureRequest) -> Iterator[tuple[bytes, list[str]]]:
    return COMPONENTS[request.param]


def test_the_command_line_refuses_what_cannot_run(
    whole: Whole, bad_component: tuple[bytes, list[str]], tmp_path: Path
) -> None:
    data, words = bad_component
    file = tmp_path / "bad.wasm"
    file.write_bytes(data)
    done = whole.run("component", "add", "bad", str(file), "-o", "json")
    assert done.returncode == 1
    _check(json.loads(done.stdout)["error"], "bad-component", words)
    assert "Traceback" not in done.stderr
    assert whole.run("component", "get", "bad").returncode == 1


async def test_a_bare_client_is_refused_what_cannot_run(
    whole: Whole, bad_component: tuple[bytes, list[str]]
) -> None:
    data, words = bad_component
    async with neighbours(whole) as caller:
        digest = hashlib.sha256(data).hexdigest()
        await _put(caller, f"component/{digest}", data)
        error = await caller.refused("component.add", name="bad", digest=digest, size=len(data))
        _check(error, "bad-component", words)
        error = await caller.refused("component.get", name="bad")
        _check(error, "unknown-component", ["bad"])


async def test_bad_management_requests_name_the_place(whole: Whole) -> None:
    async with neighbours(whole) as caller:
        _check(await caller.refused("component.add", name="x"), "bad-request", ["digest"])
        _check(await caller.refused("component.ad"), "unknown-operation", ["component.ad"])
        _check(
            await caller.refused("worker.get", component="load", worker=5),
            "bad-request",
            ["worker"],
        )
        missing = {"name": "x", "digest": "0" * 64, "size": 1}
        assert (await caller.refused("component.add", **missing))["message"]


async def _put(caller: Caller, name: str, data: bytes) -> None:
    """Store a small object as any NATS client does."""
    about = {
        "name": name,
        "bucket": "SHEM_BLOBS",
        "nuid": f"N{next(_numbers)}",
        "size": len(data),
        "chunks": 1,
        "digest": "SHA-256=" + urlsafe_b64encode(hashlib.sha256(data).digest()).decode(),
    }
    await caller.stream.publish(f"$O.SHEM_BLOBS.C.{about['nuid']}", data)
    subject = f"$O.SHEM_BLOBS.M.{urlsafe_b64encode(name.encode()).decode()}"
    await caller.stream.publish(subject, json.dumps(about).encode(), headers={"Nats-Rollup": "sub"})


def _check(error: dict[str, Any], kind: str, words: list[str]) -> None:
    assert error["kind"] == kind, error
    for word in words:
        assert word in error["message"], (word, error)
    assert len(error["message"]) < 2_000, "nobody reads that"
