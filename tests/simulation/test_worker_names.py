"""What workers may be called, by whoever names one."""

import pytest

from broker import subjects
from tests.simulation.cluster import COMPONENT, Simulation
from tests.simulation.virtual import run


@pytest.mark.parametrize("name", ["a b", "x/y", "-x", "é", "line\nbreak", "."])
def test_who_can_be_invoked_can_be_called_and_be_a_copy(name: str) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.client.journal.publish(
                subjects.invoke(COMPONENT, name),
                b"add(1)",
                message_id="m",
                headers={"Shem-Key": "k"},
            )
            assert (await simulation.invoke("a", "transfer", name, 5, key="t"))["result"] == "6"
            fork = {"command": "fork", "worker": f"{name} 2"}
            assert "ok" in await simulation.command("a", fork)
            await simulation.client.journal.publish(
                subjects.invoke(COMPONENT, f"{name} 2"),
                b"add(0)",
                message_id="m2",
                headers={"Shem-Key": "k2"},
            )
            assert (await simulation.result("k2"))["result"] == -5

    run(main())


def test_nobody_has_a_name_that_makes_no_subject() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            for key, name in (("k1", ""), ("k2", "é" * 300)):
                told = (await simulation.invoke("a", "ask", name, "get", 0, key=key))["result"]
                assert "1536 bytes" in told
                answer = await simulation.command("a", {"command": "fork", "worker": name})
                assert "1536 bytes" in answer["error"]["message"]

    run(main())
