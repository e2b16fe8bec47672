"""Definitions and deployments: what is refused and why, what is stored, what gateways follow."""

import asyncio

import msgspec
import pytest

from actors.api.routes import answer
from broker.memory import MemoryBroker, MemoryCluster
from broker.ports import Request
from gateway.definitions import decode_definition
from gateway.deployments import ApiName, site_key
from gateway.errors import BrokenError, ConflictError, DefinitionError, UnknownApiError
from gateway.management import ApiManagement
from gateway.security.schemes import decode_scheme, scheme_key
from gateway.sites import Sites
from tests.unit.rib.shop import COMPONENTS, SHOP
from wit.world import World

ONE = ApiName("shop", "1")


def definition(*routes, id_="shop", version="1", **more):
    bound = [
        {"method": method, "path": path, "binding": {"type": "default", "response": response}}
        for method, path, response in routes
    ]
    return decode_definition({"id": id_, "version": version, "routes": bound, **more})


async def outdated(management):
    (site,) = await management.deployments()
    return await management.outdated(site)


PRICE = ("GET", "/price/{sku}", 'instance("w").price-of(request.path.sku)')


@pytest.fixture
def bucket():
    return MemoryBroker(MemoryCluster()).apis


@pytest.fixture
def components():
    return dict(COMPONENTS)


@pytest.fixture
def management(bucket, components):
    async def worlds(names):
        return {name: world for name, world in components.items() if not names or name in names}

    return ApiManagement(bucket, worlds)


@pytest.mark.parametrize(
    ("document", "findings"),
    [
        ({"id": "a b", "version": "", "routes": []}, ["id 'a b'", "version ''", "at least one"]),
        ({"id": "a"}, ["missing required field `version`"]),
        ({"id": "a", "version": "1", "routes": [], "extra": 1}, ["unknown field `extra`"]),
        (
            {
                "id": "a",
                "version": "1",
                "routes": [{"method": "FETCH", "path": "/", "binding": {}}],
            },
            ["Invalid enum value 'FETCH' - at `$.routes[0].method`"],
        ),
        (
            {
                "id": "a",
                "version": "1",
                "routes": [
                    {"method": "GET", "path": "x", "binding": {"type": "cors-preflight"}},
                    {"method": "OPTIONS", "path": "/{}", "binding": {"type": "cors-preflight"}},
                ],
            },
            ["routes[0] (GET x): 'x' must begin", "answers OPTIONS, not GET", "routes[1]"],
        ),
    ],
)
def test_definitions_that_are_none(document, findings):
    with pytest.raises(DefinitionError) as error:
        decode_definition(document)
    for each in findings:
        assert each in str(error.value)


async def test_every_route_is_checked_against_the_components(management):
    wrong = definition(
        ("GET", "/a/{id}", 'instance("w").price-of(request.path.sku)'),
        ("GET", "/b", "request.body.x + 1"),
        ("GET", "/c", 'instance("w").prce-of("x")'),
        ("GET", "/d", '{status: "200"}'),
    )
    with pytest.raises(BrokenError) as error:
        await management.define(wrong)
    for each in (
        "shop@1: GET /a/{id}: response: the path has no variable sku; it has id",
        "shop@1: GET /b: response: a GET request has no body",
        "error[RIB0301] shop@1: GET /c: response:1:1: invalid function call `prce-of`",
        "shop@1: GET /d: response: `status` must be an integer",
    ):
        assert each in str(error.value)


async def test_what_is_published_never_changes(management):
    await management.define(definition(PRICE))
    await management.define(definition(PRICE))
    with pytest.raises(ConflictError, match="is published and never changes"):
        await management.define(definition(("GET", "/other", "1")))
    draft = await management.define(definition(PRICE, version="2", draft=True))
    assert draft.draft
    await management.define(definition(("GET", "/other", "1"), version="2", draft=True))


async def test_what_was_defined_otherwise_after_it_was_deployed_is_told(management):
    await management.define(definition(PRICE, limits={"timeout-s": 5}))
    await management.deploy("*", [ONE], replace=False)
    assert await outdated(management) == []

    other = definition(PRICE, limits={"timeout-s": 6})
    with pytest.raises(BrokenError):
        await management.define(definition(("GET", "/b", "nothing()")), replace=True)
    assert await outdated(management) == []
    await management.define(other, replace=True)

    assert await management.definition(ONE) == other
    assert await outdated(management) == [ONE]
    await management.deploy("*", [ONE], replace=False)
    assert await outdated(management) == []


async def test_what_another_version_of_shem_has_stored_is_told_as_well(management, bucket):
    await management.define(definition(PRICE))
    site = await management.deploy("*", [ONE], replace=False)
    (route,) = site.routes
    old = msgspec.structs.replace(route, response=b"\xff" + route.response)
    stored = msgspec.structs.replace(site, routes=(old,))
    await bucket.put(site_key("*"), msgspec.json.encode(stored))

    assert await outdated(management) == [ONE]


@pytest.mark.parametrize("draft", [False, True])
async def test_an_api_that_was_exported_is_the_same_when_it_is_defined_again(
    management, bucket, draft
):
    keys = ({"name": "robot", "key": "0123456789abcdef"},)
    scheme = decode_scheme({"name": "keys", "type": "api-key", "keys": keys})
    await bucket.put(scheme_key("keys"), msgspec.json.encode(scheme))
    put = ("PUT", "/price/{sku}", PRICE[2])
    # What holds for all routes stands at each of them in a document, and in its order.
    given = definition(
        put, PRICE, security=[{"scheme": "keys"}], limits={"timeout-s": 5}, draft=draft
    )
    await management.define(given)
    await management.deploy("*", [ONE], replace=False)

    exported = await management.exported(ONE)
    again = decode_definition(msgspec.json.encode(exported))

    assert again != given
    assert await management.define(again) == given
    assert await management.definition(ONE) == given
    assert await outdated(management) == []


async def test_deployments_replace_a_version_and_refuse_conflicts(management):
    await management.define(definition(PRICE))
    await management.define(definition(PRICE, ("GET", "/new", "1"), version="2"))
    await management.define(definition(("GET", "/price/{other}", "1"), id_="rival"))
    await management.deploy("*", [ONE], replace=False)
    with pytest.raises(ConflictError, match=r"rival@1 .* shop@1|shop@1 .* rival@1"):
        await management.deploy("*", [ApiName("rival", "1")], replace=False)
    deployed = await management.deploy("*", [ApiName("shop", "2")], replace=False)

    assert deployed.apis == (ApiName("shop", "2"),)
    assert [each.path for each in deployed.routes] == ["/price/{sku}", "/new"]
    with pytest.raises(UnknownApiError, match=r"no API shop@9; there are rival@1, shop@1, shop@2"):
        await management.deploy("*", [ApiName("shop", "9")], replace=False)


async def test_an_api_that_would_not_compile_any_more_stands_in_nobodys_way(management, components):
    await management.define(definition(PRICE))
    await management.define(definition(("GET", "/new", '"new"'), id_="other"))
    await management.define(definition(("GET", "/more", '"more"'), id_="more"))
    await management.deploy("*", [ONE, ApiName("other", "1")], replace=False)
    before = (await management.deployments())[0]
    # As when the component of its programs was deleted.
    components.clear()

    await management.deploy("*", [ApiName("more", "1")], replace=False)
    await management.undeploy("*", "other")

    (site,) = await management.deployments()
    assert site.apis == (ApiName("more", "1"), ONE)
    assert [each for each in site.routes if each.api == ONE] == [
        each for each in before.routes if each.api == ONE
    ]
    with pytest.raises(BrokenError):
        await management.deploy("*", [ONE], replace=False)


async def test_an_update_that_would_break_an_api_is_found(management):
    await management.define(definition(PRICE))
    await management.deploy("*", [ONE], replace=False)

    assert await management.broken_by("shop", SHOP) == []
    assert await management.broken_by("other", World()) == []
    assert await management.broken_by("shop", World()) == [
        "*: shop@1: GET /price/{sku}: shop: acme:store/orders.{price-of}: the function is gone"
    ]
    assert await management.broken_by("shop", None) == ["*: shop@1: GET /price/{sku}: calls it"]
    assert await management.broken_by("other", None) == []
    assert await management.broken_by("shop", World(), replaced=["shop@*"]) == []
    assert await management.broken_by("shop", World(), replaced=["shop@a.example"])


async def test_a_host_that_no_client_sends_is_refused_and_can_be_taken_down(management):
    async def ask(operation, **fields):
        asked = Request("shem.api.x", msgspec.json.encode(fields), "reply")
        return msgspec.json.decode(await answer(management.routes(), operation, asked))

    await management.define(definition(PRICE))
    apis = [{"id": "shop", "version": "1"}]
    refused = await ask("api.deploy", apis=apis, host="bücher.example")
    assert refused["error"] == {
        "kind": "bad-api",
        "message": "'bücher.example': no client says so; write the host as they send it, xn--…",
    }
    # As earlier releases did it.
    await management.deploy("bücher.example", [ONE], replace=False)

    assert "ok" in await ask("api.undeploy", host="Bücher.example")

    assert await management.deployments() == []


async def test_gateways_follow_deployments(management, bucket):
    sites = Sites(bucket)
    await sites.start()
    await management.define(definition(PRICE))
    await management.deploy("shop.example", [ONE], replace=False)
    await management.deploy("*", [ONE], replace=False)
    await asyncio.sleep(0)

    assert sites.find("shop.example:8080").host == "shop.example"
    assert sites.find("Shop.Example.:8080").host == "shop.example"
    assert sites.find("elsewhere").host == "*"
    await management.undeploy("*", None)
    await asyncio.sleep(0)
    assert sites.find("elsewhere") is None
    with pytest.raises(UnknownApiError):
        await management.undeploy("*", None)
    await sites.stop()
