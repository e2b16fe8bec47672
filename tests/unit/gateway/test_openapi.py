"""Documents of APIs, and APIs from documents."""

import json

import jsonschema_rs
import msgspec
import pytest
import yaml

from gateway.compiling import compile_routes
from gateway.definitions import decode_definition
from gateway.deployments import ApiName, LiveRoute
from gateway.errors import DefinitionError
from gateway.explorer import explore
from gateway.openapi.exporting import document
from tests.unit.rib.shop import COMPONENTS

API = """
id: shop
version: "1"
limits: {body-bytes: 5000}
routes:
  - method: GET
    path: /price/{sku}?{currency}
    binding:
      type: default
      components: [shop]
      response: |
        let currency: option<string> = request.query.currency;
        instance("w").price-of(request.path.sku)
  - method: GET
    path: /twice/{n}
    binding: {type: default, components: [shop], response: instance("w").twice(request.path.n)}
  - method: POST
    path: /put
    binding: {type: default, components: [shop], response: instance("w").put(request.body)}
    limits: {timeout-s: 3}
  - method: POST
    path: /outcome
    binding:
      type: default
      components: [shop]
      idempotency-key: request.headers.x-order
      response: |
        match instance("w").fetch(request.body.id) {
          ok(n) => {status: 200u16, body: some(n)},
          err(_) => {status: 404u16, body: none}
        }
  - method: GET
    path: /verdict
    binding:
      type: default
      components: [shop]
      response: '{status: request.query.s: u16, body: instance("w").outcome()}'
  - method: GET
    path: /page
    binding:
      type: default
      components: [shop]
      response: '{headers: {content-type: "text/html; charset=utf-8"}, body: "<p>"}'
  - method: GET
    path: /files/{+rest}
    binding: {type: file-server, component: shop, file: request.path.rest}
  - method: GET
    path: /files/{rest}
    binding: {type: file-server, component: shop, file: '"one/${request.path.rest}"'}
  - method: OPTIONS
    path: /put
    binding: {type: cors-preflight}
  - method: GET
    path: /docs
    binding: {type: swagger-ui}
"""
DEFINITION = decode_definition(yaml.safe_load(API))


@pytest.fixture(scope="module")
def routes():
    return [LiveRoute.of(each) for each in compile_routes([DEFINITION], COMPONENTS)]


@pytest.fixture(scope="module")
def made(routes):
    return json.loads(json.dumps(document(ApiName("shop", "1"), routes)))


def parameters(operation):
    return {
        (each["in"], each["name"]): (each.get("required", False), each["schema"])
        for each in operation.get("parameters", [])
    }


def test_parameters_have_the_types_that_programs_need(made):
    price = parameters(made["paths"]["/price/{sku}"]["get"])
    assert price["path", "sku"] == (True, {"type": "string", "minLength": 1})
    assert price["query", "currency"] == (False, {"type": "string"})
    twice = parameters(made["paths"]["/twice/{n}"]["get"])
    assert twice["path", "n"][1] == {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
    assert not twice["header", "Idempotency-Key"][0]
    outcome = parameters(made["paths"]["/outcome"]["post"])
    assert outcome["header", "x-order"] == (True, {"type": "string"})
    assert ("header", "Idempotency-Key") not in outcome


def test_bodies_have_full_schemas(made):
    body = made["paths"]["/put"]["post"]["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/line"}
    line = made["components"]["schemas"]["line"]
    assert line["required"] == ["sku", "title", "cost", "qty"]
    assert "application/x-www-form-urlencoded" in body["content"]


def test_responses_are_those_of_all_branches(made):
    outcome = made["paths"]["/outcome"]["post"]["responses"]
    assert list(outcome) == ["200", "404", "4XX", "5XX"]
    schema = outcome["404"]["content"]["application/json"]["schema"]
    assert schema["anyOf"][1] == {"type": "null"}
    page = made["paths"]["/page"]["get"]["responses"]["200"]["content"]
    assert list(page) == ["text/html"]
    verdict = made["paths"]["/verdict"]["get"]["responses"]["default"]["content"]
    assert set(verdict) == {"application/json", "application/problem+json"}
    assert list(made["paths"]["/twice/{n}"]["get"]["responses"]["200"]["content"]) == [
        "application/json"
    ]


def test_parts_of_the_page_are_no_operations(made):
    assert list(made["paths"]["/docs"]) == ["get"]
    assert "/docs/{part}" not in made["paths"]


def test_routes_that_differ_in_what_a_variable_takes_are_two_operations(made):
    one, all_ = made["paths"]["/files/{rest}"]["get"], made["paths"]["/files/{+rest}"]["get"]
    assert list(parameters(one)) == [("path", "rest")]
    assert list(parameters(all_)) == [("path", "+rest")]
    assert one["x-shem-binding"] != all_["x-shem-binding"]
    ids = [each["operationId"] for path in made["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))


def test_all_schemas_are_valid_and_all_references_lead_somewhere(made):
    text = json.dumps(made)
    for name, schema in made["components"]["schemas"].items():
        jsonschema_rs.meta.validate(
            {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"}
        )
        assert f"#/components/schemas/{name}" in text


def test_an_imported_document_is_the_definition_again(made):
    again = decode_definition({**made, "x-shem-limits": {"body-bytes": 5000}})
    assert {(each.method, each.path): each.binding for each in again.routes} == {
        (each.method, each.path): each.binding for each in DEFINITION.routes
    }
    assert (again.id, again.version, again.limits) == ("shop", "1", DEFINITION.limits)
    assert decode_definition(json.dumps(made).encode()).id == "shop"
    limits = {(each.method, each.path): each.limits for each in again.routes}
    assert limits["POST", "/put"].timeout_s == 3


@pytest.mark.parametrize(
    ("document_", "findings"),
    [
        ({"openapi": "2.0", "paths": {}}, ["expected OpenAPI 3, got 2.0"]),
        ({"swagger": "2.0"}, ["expected OpenAPI 3, got swagger 2.0"]),
        (
            {"openapi": "3.1.0", "paths": {"/a": {"get": {}, "post": 7}, "/b": []}},
            [
                "paths: /a: get: it says no x-shem-binding",
                "paths: /a: post: expected an object",
                "paths: /b: expected an object",
            ],
        ),
        (
            {"openapi": "3.1.0", "info": {"title": "a b"}, "paths": {}},
            ["id 'a b'", "version ''", "at least one"],
        ),
    ],
)
def test_documents_that_are_no_definitions(document_, findings):
    with pytest.raises(DefinitionError) as error:
        decode_definition(document_)
    for each in findings:
        assert each in str(error.value)


def test_the_page_needs_nothing_from_elsewhere(routes):
    (live,) = [each for each in routes if each.path.text == "/docs"]
    page = explore(live, None, "/docs", routes, {})
    assert b'src="docs/page.js"' in page.body
    assert b"http" not in page.body.replace(b"http-equiv", b"")
    assert b"http" not in explore(live, "page.js", "/docs/page.js", routes, {}).body
    told = msgspec.json.decode(explore(live, "openapi.json", "/docs/openapi.json", routes, {}).body)
    assert "/twice/{n}" in told["paths"]
