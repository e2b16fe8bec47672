"""Payloads too large for a message: they lie beside it, and only until the worker has them."""

import asyncio
import hashlib
import json
import secrets

import pytest

from actors.limits import PAYLOAD_BYTES_MAX
from shem.client.invocations import Invocations
from shem.client.mail import Mail
from tests.simulation.cluster import COMPONENT, Simulation, kinds
from tests.simulation.virtual import run

NAME = f"invocation/{COMPONENT}/a/large"
# Blanks make any payload as large as one likes.
PAYLOAD = json.dumps({"function": "add", "params": [5]}).encode() + b" " * 2_000_000


def reference(data: bytes = PAYLOAD, name: str = NAME, **changes: object) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return json.dumps({"$blob": name, "size": len(data), "sha256": digest, **changes})


async def send(simulation: Simulation, key: str, header: str) -> dict[str, object]:
    simulation.results.pop(key, None)
    await simulation.client.journal.publish(
        f"shem.invoke.{COMPONENT}.a",
        b"",
        message_id=secrets.token_hex(8),
        headers={"Shem-Key": key, "Shem-Payload": header},
    )
    return await simulation.result(key)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("append", [1, 2, 3])
def test_it_is_executed_once_whatever_is_killed(append: int, when: str) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            node.broker.journal.crash_at = append, when

            reviver = asyncio.create_task(simulation.revive(node))
            await simulation.client.blobs.put(NAME, PAYLOAD)
            assert (await send(simulation, "k1", reference()))["result"] == 5
            # The log has it now: neither a repetition nor a replay looks for it.
            await simulation.client.blobs.delete(NAME)
            assert (await send(simulation, "k1", reference()))["result"] == 5
            assert (await simulation.invoke("a", "add", 2, key="k2"))["result"] == 7
            reviver.cancel()
            last = simulation.start()
            await last.stop()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="k3"))["result"] == 7
            assert kinds(await simulation.log("a")).count("exported-function-invoked") == 3

    run(main())


@pytest.mark.parametrize(
    ("header", "kind", "text"),
    [
        (reference(name=f"invocation/{COMPONENT}/a/gone"), "bad-message", "is gone; send"),
        (reference(PAYLOAD + b" "), "bad-message", "is not what was sent"),
        (reference(sha256="0" * 64), "bad-message", "is not what was sent"),
        (reference(name=f"invocation/{COMPONENT}/b/large"), "bad-message", "is not this worker's"),
        (reference(name="component/secret"), "bad-message", "is not this worker's"),
        (reference(size=PAYLOAD_BYTES_MAX + 1), "too-large", "at most"),
        ("nonsense", "bad-message", "bad header: Shem-Payload"),
    ],
)
def test_a_payload_that_is_not_there_is_refused_and_blocks_nobody(
    header: str, kind: str, text: str
) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.client.blobs.put(NAME, PAYLOAD)
            outcome = await send(simulation, "k1", header)
            assert outcome["error"]["kind"] == kind
            assert text in outcome["error"]["message"]
            assert (await simulation.invoke("a", "add", 3, key="k2"))["result"] == 3

    run(main())


def test_a_client_puts_it_there_and_takes_it_away() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            mail = Mail(simulation.client.signals)
            await mail.start()
            invocations = Invocations(simulation.client, mail)
            for _ in range(2):
                outcome = await invocations.call(
                    COMPONENT, "a", PAYLOAD, key="k1", headers={}, timeout_s=60
                )
                assert outcome.value == 5
            assert await simulation.client.blobs.names("invocation/") == []
            await mail.close()

    run(main())


def test_a_result_that_no_message_carries_is_told_by_where_it_lies() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            mail = Mail(simulation.client.signals)
            await mail.start()
            invocations = Invocations(simulation.client, mail)
            size = simulation.client.payload_bytes_max + 1
            call = json.dumps({"function": "text", "params": [size]}).encode()
            for _ in range(3):
                outcome = await invocations.call(
                    COMPONENT, "a", call, key="k1", headers={}, timeout_s=60
                )
                assert outcome.value == "x" * size
                # Again, after a while also from the log.
                node.kill()
                node = simulation.start()
            assert {"result-at", "key", "function"} <= simulation.results["k1"][0].keys()
            await mail.close()

    run(main())


def test_a_deleted_worker_leaves_none_behind() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.client.blobs.put(NAME, PAYLOAD)
            await simulation.client.blobs.put(f"invocation/{COMPONENT}/b/large", PAYLOAD)
            assert (await send(simulation, "k1", reference()))["result"] == 5
            await simulation.command("a", {"command": "delete"})
            names = await simulation.client.blobs.names("invocation/")
            assert names == [f"invocation/{COMPONENT}/b/large"]

    run(main())
