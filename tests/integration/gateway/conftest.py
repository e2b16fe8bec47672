"""A system with a gateway, real guests and a deployed API, shared by the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.guests.build import build
from tests.support.system import RunningSystem

API = """
id: counter
version: "1"
routes:
  - method: POST
    path: /counters/{name}/add/{amount}
    binding:
      type: default
      components: [tiny]
      response: |
        let worker = instance(request.path.name);
        let total = worker.add(request.path.amount);
        let body = {name: request.path.name, total: total};
        {status: 201u16, headers: {x-total: "${total}"}, body: body}
  - method: GET
    path: /counters/{name}
    binding: {type: default, components: [tiny], response: instance(request.path.name).get()}
  - method: OPTIONS
    path: /counters/{name}
    binding: {type: cors-preflight}
  - method: POST
    path: /by-order
    binding:
      type: default
      components: [tiny]
      idempotency-key: '"order-${request.body.order: u32}"'
      response: instance("orders").add(1)
  - method: GET
    path: /fail
    binding: {type: default, components: [tiny], response: instance("failing").fail(); 1}
  - method: GET
    path: /divide/{by}
    binding: {type: default, response: '10 / request.path.by'}
  - method: POST
    path: /echo
    binding: {type: default, response: '{n: request.body.n + 1, name: request.query.name}'}
    limits: {body-bytes: 1000}
  - method: GET
    path: /docs
    binding: {type: swagger-ui}
  - method: GET
    path: /rare
    binding: {type: default, response: '"seen ${request.cookies.visits: u32} times"'}
    limits: {rate: {requests: 2, per-s: 3600}}
"""


@pytest.fixture(scope="session")
def python_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system for Python guests, which share one compiled interpreter: that takes longest."""
    with RunningSystem(tmp_path_factory.mktemp("python"), http=True) as started:
        yield started


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "api.yaml").write_text(API)
    with RunningSystem(folder, http=True) as started:
        done = started.run("shem", "component", "add", "tiny", str(build("tiny")))
        assert done.returncode == 0, done.stdout
        done = started.run("shem", "api", "deploy", "api.yaml")
        assert done.returncode == 0, done.stdout
        yield started
