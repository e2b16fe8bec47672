"""Security schemes: what is refused and why, what is stored, what is told."""

import asyncio

import msgspec
import pytest

from broker.memory import MemoryBroker, MemoryCluster
from gateway.claims import read_claim
from gateway.definitions import ApiDefinition, Route, decode_definition
from gateway.errors import DefinitionError, RequestError
from gateway.security.administration import FollowedSchemes, SchemeManagement, stored_schemes
from gateway.security.guard import _challenge
from gateway.security.schemes import BasicScheme, User, concealed, decode_scheme, scheme_key
from gateway.security.secrets import hash_password, matches_key, matches_password
from shem import records
from shem.rest.apis import Definition
from wit.types import Field, ListType, OptionType, Primitive, RecordType

P = Primitive


@pytest.mark.parametrize(
    ("document", "finding"),
    [
        ({}, "missing required field `type`"),
        ({"name": "a", "type": "magic"}, "Invalid value 'magic' - at `$.type`"),
        ({"name": "a/b", "type": "jwt", "issuer": "https://a", "audience": "b"}, "at `$.name`"),
        ({"name": "a", "type": "jwt", "issuer": "https://a"}, "missing required field `audience`"),
        (
            {"name": "a", "type": "jwt", "issuer": "http://a.example", "audience": "b"},
            "issuer: expected https://…, got 'http://a.example'",
        ),
        (
            {
                "name": "a",
                "type": "jwt",
                "issuer": "https://a",
                "audience": "b",
                "algorithms": ["HS256"],
            },
            "Invalid enum value 'HS256'",
        ),
        ({"name": "a", "type": "oidc", "client-id": "c"}, "issuer: a custom provider needs one"),
        (
            {"name": "a", "type": "oidc", "client-id": "c", "provider": "google", "scopes": ["x"]},
            "scopes: `openid` must be among them",
        ),
        ({"name": "a", "type": "oidc", "client-id": "c", "session-s": 1}, "at `$.session-s`"),
        ({"name": "a", "type": "api-key", "keys": []}, "keys: 1 to 10000, got 0"),
        (
            {"name": "a", "type": "api-key", "keys": [{"name": "b", "key": "short"}]},
            "keys: b: a key has at least 16 characters",
        ),
        (
            {"name": "a", "type": "api-key", "keys": [{"name": "b", "key": "0123456789abcdeü"}]},
            "keys: b: a key in a header is of visible ASCII characters",
        ),
        (
            {
                "name": "a",
                "type": "api-key",
                "in": "cookie",
                "key-name": "my key",
                "keys": [{"name": "b", "key": "0123456789; abcdef"}],
            },
            "key-name: 'my key' is no name of a cookie\nkeys: b: a key in a cookie is of visible",
        ),
        (
            {
                "name": "a",
                "type": "basic",
                "realm": "Přihlášení",
                "users": [{"name": "b", "password": "x"}],
            },
            "realm: 'Přihlášení': it is of visible ASCII characters",
        ),
        (
            {"name": "a", "type": "basic", "users": [{"name": "b", "password": "x"}] * 2},
            "users: 'b' is there twice",
        ),
        (
            {"name": "a", "type": "basic", "users": [{"name": "b:c", "password": "x"}]},
            "users: b:c: a name has no colon",
        ),
    ],
)
def test_schemes_that_are_none(document, finding):
    with pytest.raises(DefinitionError) as error:
        decode_scheme(document)
    assert finding in str(error.value)


async def test_what_earlier_releases_have_stored_is_still_read():
    bucket = MemoryBroker(MemoryCluster()).apis
    user = User(name="b", password=hash_password("secret"))
    old = BasicScheme(name="people", realm="Přihlášení", users=(user,))
    await bucket.put(scheme_key("people"), msgspec.json.encode(old))
    followed = FollowedSchemes(bucket)
    await followed.start()
    await asyncio.sleep(0)

    assert await stored_schemes(bucket) == {"people": old}
    assert followed.all() == {"people": old}
    await followed.stop()


def test_a_challenge_is_a_header_whatever_was_stored():
    user = User(name="b", password="x")
    stored = BasicScheme(name="a", realm='the "ř" \\ realm\n', users=(user,))
    assert _challenge(stored) == r'Basic realm="the \"?\" \\ realm?", charset="UTF-8"'


KEYS = {"name": "k", "type": "api-key", "keys": [{"name": "robot", "key": "0123456789abcdef"}]}
PEOPLE = {"name": "p", "type": "basic", "users": [{"name": "eve", "password": "secret"}]}


def test_secrets_are_stored_as_hashes_and_never_told():
    keys, people = decode_scheme(KEYS), decode_scheme(PEOPLE)
    assert matches_key(keys.keys[0].key, "0123456789abcdef")
    assert not matches_key(keys.keys[0].key, "0123456789abcdeg")
    assert matches_password(people.users[0].password, "secret")
    assert not matches_password(people.users[0].password, "Secret")
    stored = msgspec.json.encode([keys, people])
    assert b"0123456789abcdef" not in stored
    assert b"secret" not in stored
    assert b"$" not in msgspec.json.encode([concealed(keys), concealed(people)])
    # What is stored is read as it is.
    assert decode_scheme(msgspec.json.encode(people)) == people


async def test_gateways_follow_schemes():
    bucket = MemoryBroker(MemoryCluster()).apis
    routes = SchemeManagement(bucket).routes()
    assert sorted(routes) == ["security.define", "security.get", "security.list", "security.remove"]
    followed = FollowedSchemes(bucket)
    await followed.start()
    scheme = decode_scheme(KEYS)
    await bucket.put("security/k", msgspec.json.encode(scheme))
    await bucket.put("security/x", b"of another version")
    await asyncio.sleep(0)
    assert followed.all() == {"k": scheme}
    await bucket.delete("security/x")
    assert await stored_schemes(bucket) == {"k": scheme}
    await bucket.delete("security/k")
    await asyncio.sleep(0)
    assert followed.all() == {}
    await followed.stop()


CLAIMS = {"sub": "eve", "n": 7, "roles": ["a"], "address": {"city": "x", "zip": 1}, "gone": None}


@pytest.mark.parametrize(
    ("name", "type_", "value"),
    [
        ("sub", P.STRING, "eve"),
        ("n", P.U8, 7),
        ("roles", ListType(P.STRING), ["a"]),
        ("roles", OptionType(ListType(P.STRING)), (["a"],)),
        ("address", RecordType((Field("city", P.STRING),)), {"city": "x"}),
        ("gone", OptionType(P.STRING), None),
        ("none", OptionType(P.STRING), None),
    ],
)
def test_claims_are_read_in_the_type_that_the_program_needs(name, type_, value):
    assert read_claim(name, type_, CLAIMS) == value


@pytest.mark.parametrize(
    ("name", "type_", "detail"),
    [
        ("none", P.STRING, "auth.none: expected string, it is missing"),
        ("n", P.STRING, "auth.n: expected string, "),
        ("sub", P.U8, "auth.sub: expected u8, "),
    ],
)
def test_claims_that_do_not_fit_are_a_403(name, type_, detail):
    with pytest.raises(RequestError) as error:
        read_claim(name, type_, CLAIMS)
    assert error.value.status == 403
    assert detail in error.value.detail


def test_requirements_are_part_of_definitions():
    found = decode_definition(
        {
            "id": "a",
            "version": "1",
            "security": [{"scheme": "company"}],
            "routes": [
                {
                    "method": "GET",
                    "path": "/",
                    "security": [{"scheme": "k", "scopes": ["read"]}],
                    "binding": {"type": "default", "response": "1"},
                }
            ],
        }
    )
    assert found.security[0].scheme == "company"
    assert found.routes[0].security[0].scopes == ("read",)


@pytest.mark.parametrize(
    ("whole", "shown"),
    [(ApiDefinition, Definition), (ApiDefinition, records.Api), (Route, records.Route)],
)
def test_no_way_to_define_or_show_an_api_leaves_anything_out(whole, shown):
    fields = [{each.encode_name for each in msgspec.structs.fields(one)} for one in (whole, shown)]
    assert fields[0] == fields[1]
