"""An operator looks at the files of workers."""

import base64

import pytest

from tests.replay import patience
from tests.replay.harness import Guests
from tests.simulation.cluster import Simulation


@pytest.fixture(scope="module")
def guests():
    guests = Guests()
    yield guests
    guests.close()


def test_files_are_shown_as_the_last_invocation_left_them(guests: Guests) -> None:
    component = guests.prepare("probe")

    async def main() -> None:
        async with Simulation(engine=guests, component=component) as simulation:
            node = simulation.start()
            code = (
                "os.makedirs('/data/deep'); open('/data/a', 'wb').write(b'x' * 300000)\n"
                "os.symlink('deep', '/data/link'); open('/data/deep/é', 'w').write('hi')"
            )
            await simulation.invoke("w", "api/run", code, key="k1")
            answer = await simulation.command("w", {"command": "list-files", "path": "/data"})
            shown = [(one["name"], one["type"], one["size"]) for one in answer["ok"]["entries"]]
            assert shown[0] == ("a", "regular-file", 300_000)
            assert [one[:2] for one in shown[1:]] == [
                ("deep", "directory"),
                ("link", "symbolic-link"),
            ]
            # From the log alone, too.
            await node.stop()
            simulation.start()
            asked = {"command": "read-file", "path": "/data/a", "offset": 100_000}
            piece = (await simulation.command("w", asked))["ok"]
            assert piece["size"] == 300_000
            assert base64.b64decode(piece["data"]) == b"x" * 200_000
            asked = {"command": "list-files", "path": "/data/link/é"}
            (entry,) = (await simulation.command("w", asked))["ok"]["entries"]
            assert entry["size"] == 2

    patience.run(main())


@pytest.mark.parametrize(
    ("path", "code"),
    [("/no", "no-entry"), ("/../etc", "not-permitted"), ("/tmp/x/y", "no-entry")],
)
def test_a_path_that_leads_nowhere_is_named(guests: Guests, path: str, code: str) -> None:
    component = guests.prepare("load")

    async def main() -> None:
        async with Simulation(engine=guests, component=component) as simulation:
            simulation.start()
            await simulation.invoke("w", "get", key="k1")
            answer = await simulation.command("w", {"command": "list-files", "path": path})
            assert answer["error"] == {"kind": "bad-path", "message": f"{path}: {code}"}

    patience.run(main())


def test_who_does_not_exist_or_is_busy_has_no_files(guests: Guests) -> None:
    component = guests.prepare("load")

    async def main() -> None:
        async with Simulation(engine=guests, component=component) as simulation:
            simulation.start()
            answer = await simulation.command("w", {"command": "list-files"})
            assert answer["error"]["kind"] == "unknown-worker"
            await simulation.publish("w", "nap", 60_000, key="k1")
            while True:
                answer = await simulation.command("w", {"command": "list-files"})
                if "error" in answer and answer["error"]["kind"] == "worker-busy":
                    break
            assert "while it is idle" in answer["error"]["message"]
            await simulation.result("k1", within_s=100)
            answer = await simulation.command("w", {"command": "list-files"})
            assert [one["name"] for one in answer["ok"]["entries"]] == ["tmp"]

    patience.run(main())
