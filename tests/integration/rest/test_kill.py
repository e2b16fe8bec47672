"""Requests under load while the gateway is killed: each key has exactly one outcome."""

import http.client
import threading
import time
from urllib.parse import urlsplit

from tests.guests.build import build

CLIENTS = 16
REQUESTS = 30
PATIENCE_S = 90


def test_what_was_accepted_under_a_key_has_one_outcome(system, admin):
    admin("PUT", "/components/killed/upload", build("tiny").read_bytes())
    binding = {"type": "default", "components": ["killed"], "response": 'instance("sum").add(1)'}
    definition = {
        "id": "killed",
        "version": "1",
        "routes": [{"method": "POST", "path": "/add", "binding": binding}],
    }
    assert admin("POST", "/apis", definition).status == 201
    deployed = {"apis": [{"id": "killed", "version": "1"}], "host": "killed.example"}
    assert admin("POST", "/deployments", deployed).status == 200
    place = urlsplit(system.http_url)
    deadline = time.monotonic() + PATIENCE_S
    answers: dict[str, set[bytes]] = {}

    def ask(key: str) -> bytes | None:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
        headers = {"Host": "killed.example", "Idempotency-Key": key}
        try:
            connection.request("POST", "/add", headers=headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            return None
        else:
            return data if response.status == 200 else None
        finally:
            connection.close()

    def client(number: int) -> None:
        for count in range(REQUESTS):
            key = f"{number}-{count}"
            while (answer := ask(key)) is None:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            answers.setdefault(key, set()).add(answer)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for each in threads:
        each.start()
    system.kill("gateway")
    system.kill("gateway")
    for each in threads:
        each.join()
    admin.wait()
    # Asked once more, everything is answered as before.
    for key in list(answers)[::10]:
        again = ask(key)
        assert again is not None
        answers[key].add(again)
    assert len(answers) == CLIENTS * REQUESTS
    assert all(len(each) == 1 for each in answers.values())
    totals = sorted(int(total) for each in answers.values() for total in each)
    assert totals == list(range(1, CLIENTS * REQUESTS + 1))
