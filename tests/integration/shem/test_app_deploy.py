"""Deploying an app as a whole: HTTP APIs, workers that are updated or begin anew, profiles."""

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.system import ROOT, RunningSystem
from tests.support.terminal import Person

# Text to a component: a toolchain that takes no time.
BUILD = f"""{sys.executable} -c 'import sys, wasmtime
open(sys.argv[2], "wb").write(wasmtime.wat2wasm(open(sys.argv[1]).read()))'"""
COUNTER = """(component
  (core module $m (global $total (mut i64) (i64.const 0))
    (func (export "add") (param i64) (result i64)
      (global.set $total (i64.add (global.get $total) (local.get 0))) (global.get $total))
    (func (export "double") (result i64) (i64.mul (global.get $total) (i64.const %s))))
  (core instance $i (instantiate $m))
  (func $add (param "value" u64) (result u64) (canon lift (core func $i "add")))
  (func $double (result u64) (canon lift (core func $i "double")))
  (instance $api (export "add" (func $add)) (export "double" (func $double)))
  (export "demo:counter/api" (instance $api)))
"""
ROUTE = """
      - method: POST
        path: /{name}/add/{amount}
        binding: {type: default, componentName: "demo:counter", response: "%s"}
"""
ADDED = '"increase" (func $add)'
RESPONSE = "instance(request.path.name).add(request.path.amount)"


def write_app(
    folder: Path,
    *,
    factor: int = 2,
    version: str = "1",
    response: str = RESPONSE,
    host: str = "*",
    draft: bool = False,
) -> None:
    (folder / "main.wat").write_text(COUNTER % factor)
    command = json.dumps(f"{BUILD} main.wat main.wasm")
    (folder / "shem.yaml").write_text(
        f"""components:
  demo:counter:
    componentWasm: main.wasm
    build:
      - {{command: {command}, sources: [main.wat], targets: [main.wasm]}}
httpApi:
  definitions:
    counting:
      version: "{version}"
      draft: {json.dumps(draft)}
      routes:{ROUTE % response}
  deployments:
    local:
      - host: "{host}"
        definitions: [counting]
profiles:
  careless: {{redeployAll: true, autoConfirm: true}}
"""
    )


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    folder = tmp_path_factory.mktemp("app")
    with RunningSystem(folder, http=True) as started:
        yield started


def document(system: RunningSystem, *command: str) -> Any:
    """Return the document of a command that ends well; it stands in the last line."""
    done = system.run("shem", *command, "-o", "json")
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def post(system: RunningSystem, path: str) -> bytes:
    request = urllib.request.Request(system.http_url + path, method="POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        return bytes(response.read())


def planned(deployed: Any) -> dict[str, str]:
    apis = deployed["http-apis"]
    return {
        **{f"{each['id']}@{each['version']}": each["action"] for each in apis["apis"]},
        **{each["host"]: each["action"] for each in apis["sites"]},
    }


def test_an_app_with_an_api_is_deployed_changed_and_deployed_again(system: RunningSystem) -> None:
    write_app(system.folder)
    assert planned(document(system, "app", "deploy", "--plan")) == {
        "counting@1": "create",
        "*": "create",
    }
    document(system, "app", "deploy")
    assert post(system, "/eve/add/5") == b"5"

    # Nothing is done twice.
    assert planned(document(system, "app", "deploy")) == {"counting@1": "keep", "*": "keep"}

    # The workers of a new version of the component run it.
    write_app(system.folder, factor=3)
    deployed = document(system, "app", "deploy", "--update-workers", "automatic")
    assert deployed["workers"] == {"updated": 1}
    assert document(system, "worker", "invoke", "demo:counter/eve", "double()") == {"result": 15}

    # A version of an API that is no draft never changes, but is followed by another one.
    write_app(system.folder, factor=3, response=f"{RESPONSE} + 100")
    refused = system.run("shem", "app", "deploy")
    assert refused.returncode == 1
    assert "version 1 is deployed with other routes and is no draft" in refused.stdout
    assert post(system, "/eve/add/5") == b"10"
    write_app(system.folder, factor=3, version="2", response=f"{RESPONSE} + 100")
    assert planned(document(system, "app", "deploy")) == {"counting@2": "create", "*": "update"}
    assert post(system, "/eve/add/5") == b"115"

    # Or all is replaced, and the workers of what has changed begin anew.
    write_app(system.folder, factor=4, version="2", response=f"{RESPONSE} + 1000")
    deployed = document(system, "app", "deploy", "--profile", "careless")
    assert planned(deployed) == {"counting@2": "redeploy", "*": "update"}
    assert deployed["workers"] == {"deleted": 1}
    assert post(system, "/eve/add/5") == b"1005"


def test_a_function_and_the_api_that_calls_it_change_together(system: RunningSystem) -> None:
    write_app(system.folder, version="10")
    document(system, "app", "deploy", "--redeploy-http-api")
    assert post(system, "/both/add/5") == b"5"

    def change(version: str, response: str) -> None:
        write_app(system.folder, version=version, response=response)
        text = (system.folder / "main.wat").read_text()
        (system.folder / "main.wat").write_text(text.replace('"add" (func $add)', ADDED))

    # With an API that calls what is gone nothing is uploaded, and what is served goes on.
    before = len(document(system, "component", "list", "demo:counter"))
    change("11", RESPONSE)
    refused = system.run("shem", "app", "deploy")
    assert refused.returncode == 1
    assert "counting@11: POST /{name}/add/{amount}" in refused.stdout
    assert len(document(system, "component", "list", "demo:counter")) == before
    assert post(system, "/both/add/5") == b"10"

    change("11", RESPONSE.replace(".add(", ".increase("))
    document(system, "app", "deploy")
    # Of workers that there are the log tells of a function that is gone: they stay as they are.
    assert post(system, "/fresh/add/5") == b"5"


def test_a_wrong_api_takes_nothing_away_from_those_that_are_served(system: RunningSystem) -> None:
    write_app(system.folder, version="3")
    document(system, "app", "deploy", "--redeploy-http-api")
    before = post(system, "/wrong/add/5")

    write_app(system.folder, version="3", response="instance(request.path.name).ad(5)")
    refused = system.run("shem", "app", "deploy", "--redeploy-http-api")

    assert refused.returncode == 1
    assert "invalid function call `ad`" in refused.stdout
    assert (before, post(system, "/wrong/add/5")) == (b"5", b"10")

    # What is there already is not replaced.
    write_app(system.folder, version="3")
    again = document(system, "app", "deploy", "--redeploy-http-api")
    assert planned(again) == {"counting@3": "keep", "*": "keep"}

    # Served where the app has no say, it is not replaced, and the reason is told.
    document(
        system, "api", "deploy", str(_api(system, "counting", "3")), "--host", "theirs.example"
    )
    write_app(system.folder, version="3", response=f"{RESPONSE} + 1")
    kept = system.run("shem", "app", "deploy", "--redeploy-http-api")
    assert "this app cannot replace what is served at theirs.example" in kept.stdout
    document(system, "api", "undeploy", "--host", "theirs.example")


def test_an_api_that_was_stored_and_not_served_is_served_by_the_next_try(
    system: RunningSystem,
) -> None:
    write_app(system.folder, version="4", draft=True, host="Drafts.example")
    document(system, "app", "deploy")
    rival = {"type": "default", "response": '"taken"'}
    route = {"method": "POST", "path": "/{x}/rival/{y}", "binding": rival}
    file = system.folder / "rival.json"
    file.write_text(json.dumps({"id": "rival", "version": "1", "routes": [route]}))
    document(system, "api", "deploy", str(file), "--host", "drafts.example")

    write_app(system.folder, version="4", draft=True, host="Drafts.example")
    manifest = system.folder / "shem.yaml"
    manifest.write_text(manifest.read_text().replace("/add/", "/rival/"))
    refused = system.run("shem", "app", "deploy")
    assert "takes the same requests as" in refused.stdout
    assert planned(document(system, "app", "deploy", "--plan")) == {
        "counting@4": "keep",
        "drafts.example": "update",
    }

    document(system, "api", "undeploy", "rival", "--host", "drafts.example")
    document(system, "app", "deploy")
    again = document(system, "app", "deploy")

    assert planned(again) == {"counting@4": "keep", "drafts.example": "keep"}
    (site,) = again["sites"]
    assert [each["path"] for each in site["routes"]] == ["/{name}/rival/{amount}"]


def _api(system: RunningSystem, id_: str, version: str) -> Path:
    """Return a file with the definition that is stored."""
    file = system.folder / f"{id_}.json"
    file.write_text(json.dumps(document(system, "api", "get", id_, version)))
    return file


def test_a_profile_says_where_to(system: RunningSystem) -> None:
    write_app(system.folder)
    with (system.folder / "shem.yaml").open("a") as manifest:
        manifest.write("  elsewhere: {nats: 'nats://127.0.0.1:1'}\n")

    done = system.run("shem", "app", "deploy", "--profile", "elsewhere")
    unknown = system.run("shem", "app", "deploy", "--profile", "elsewher")

    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stdout
    assert 'unknown profile "elsewher", did you mean elsewhere?' in unknown.stdout


def test_where_nobody_listens_nothing_is_built(system: RunningSystem) -> None:
    write_app(system.folder)
    built = system.folder / "main.wasm"
    built.unlink(missing_ok=True)

    done = system.run("shem", "app", "deploy", url="nats://127.0.0.1:1")

    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stdout
    assert not built.exists()


def asked(system: RunningSystem) -> Person:
    """Somebody at a terminal who is asked whether to deploy."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SHEM_NATS_URL": system.url}
    return Person([sys.executable, "-m", "shem", "app", "deploy"], system.folder, environment)


def test_the_question_is_ended_by_ctrl_c(system: RunningSystem) -> None:
    write_app(system.folder, version="20")
    with asked(system) as person:
        person.see("deploy? [y/N]")
        person.type("\x03")
        assert person.leave() == 130

    with asked(system) as person:
        person.see("deploy? [y/N]")
        person.type("y\r")
        person.see("serving counting@20")
        assert person.leave() == 0


def test_people_hear_what_became_of_the_workers(system: RunningSystem) -> None:
    write_app(system.folder, version="30", factor=31)
    document(system, "app", "deploy", "--redeploy-all")
    for name, call in (("kept", "double()"), ("moved", "add(1)")):
        document(system, "worker", "invoke", f"demo:counter/{name}", "add(1)")
        document(system, "worker", "invoke", f"demo:counter/{name}", call)

    write_app(system.folder, version="30", factor=32)
    done = system.run("shem", "app", "deploy", "--update-workers", "automatic")

    assert "workers: 1 updated, 1 not updated" in done.stdout
    write_app(system.folder, version="30", factor=33)
    done = system.run("shem", "app", "deploy", "--redeploy-workers")
    assert "workers: 2 deleted" in done.stdout


def test_an_api_that_is_wrong_deploys_nothing(system: RunningSystem) -> None:
    write_app(system.folder, version="9 9", factor=7)

    done = system.run("shem", "app", "deploy")

    assert done.returncode == 1
    assert "httpApi.definitions.counting: " in done.stdout
    assert "version '9 9': 1 to 100 characters, no spaces" in done.stdout
