"""Requests made up from the API's own OpenAPI document: no 500, and no answer it does not describe.

Two runs: one with names that there mostly are not, where everything that breaks the schema has to
be refused; and one with a component and a worker that there are, which gets to the heart of things.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guests.build import build

pytestmark = pytest.mark.timeout(240)

SEED = 7
EXAMPLES = 2
# A stream never ends; a body of WebAssembly cannot be made up; an interrupted worker keeps
# everybody waiting; the rest would end what is tested.
LEFT_OUT = (
    "worker.events",
    "component.upload",
    "component.delete",
    "component.delete-version",
    "worker.delete",
    "worker.interrupt",
    "token.revoke",
)
# What a schema cannot say is refused with 400, as it should be: that there is no such function.
UNCHECKED = "positive_data_acceptance"


def contradictions(system, admin, folder: Path, *, unchecked: str) -> str:
    """Return what schemathesis says, empty if it is content."""
    script = Path(sys.executable).with_name("schemathesis")
    left_out = [each for name in LEFT_OUT for each in ("--exclude-operation-id", name)]
    done = subprocess.run(
        [
            *(str(script), "run", f"{system.rest_url}/openapi.json", *left_out),
            *("--header", f"Authorization: Bearer {admin.token}"),
            *("--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES)),
            *("--seed", str(SEED), "--exclude-checks", unchecked, "--continue-on-failure"),
            *("--suppress-health-check", "all", "--request-timeout", "60", "--no-color"),
        ],
        cwd=folder,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=200,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout[-20_000:]


@pytest.fixture(scope="module", autouse=True)
def worker(admin) -> None:
    admin("PUT", "/components/contract/upload", build("tiny").read_bytes())
    at = "/components/contract/workers/w/invoke-and-await"
    assert admin("POST", at, {"function": "add", "params": [1]}).status == 200


def test_what_breaks_the_schema_is_refused(system, admin, tmp_path):
    assert not contradictions(system, admin, tmp_path, unchecked=UNCHECKED)


def test_answers_are_as_described(system, admin, tmp_path):
    names = '[parameters]\n"path.component" = "contract"\n"path.worker" = "w"\n'
    (tmp_path / "schemathesis.toml").write_text(names)
    unchecked = f"{UNCHECKED},negative_data_rejection"
    assert not contradictions(system, admin, tmp_path, unchecked=unchecked)
