"""Limits of sizes: whoever goes beyond is told, and everybody else goes on."""

import json

from actors.limits import RESULT_BYTES_MAX
from tests.simulation.cluster import COMPONENT, Simulation, kinds
from tests.simulation.virtual import run


def test_a_result_that_no_message_can_carry_fails_the_invocation_alone() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            size = RESULT_BYTES_MAX
            outcome = await simulation.invoke("a", "text", size, key="k1")
            assert outcome["error"]["kind"] == "too-large"
            assert f"{size + 2} bytes" in outcome["error"]["message"]
            assert (await simulation.invoke("a", "add", 3, key="k2"))["result"] == 3
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="k3"))["result"] == 3
            assert "error" not in kinds(await simulation.log("a"))

    run(main())


def test_a_large_result_is_told_once_and_stored_beside_the_log() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            size = simulation.client.payload_bytes_max * 3 // 4
            outcome = await simulation.invoke("a", "text", size, key="k1")
            assert outcome["result"] == "x" * size
            assert "wave" not in outcome
            completed = (await simulation.log("a"))[-1]
            assert completed["result"]["$blob"].startswith("payload/")
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="k2"))["result"] == 0

    run(main())


def test_an_inbox_of_the_system_is_refused() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.client.journal.publish(
                f"shem.invoke.{COMPONENT}.a",
                json.dumps({"function": "get", "params": []}).encode(),
                message_id="m",
                headers={"Shem-Result-To": "shem.control.counter.b", "Shem-Key": "k"},
            )
            outcome = await simulation.result("k")
            assert outcome["error"]["kind"] == "bad-message"
            assert "Shem-Result-To" in outcome["error"]["message"]

    run(main())
