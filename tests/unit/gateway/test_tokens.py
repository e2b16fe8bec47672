"""Tokens: who signed them, for whom, and until when."""

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from gateway.errors import RequestError
from gateway.security.providers import KEPT_S, KEYS_AGAIN_S, Providers
from gateway.security.schemes import JwtScheme, OidcScheme
from gateway.security.tokens import LEEWAY_S, TokenError, Tokens

ISSUER, NOW = "https://id.example", 1_800_000_000
SCHEME = JwtScheme(name="m", issuer=ISSUER, audience="api")
CLAIMS = {"iss": ISSUER, "aud": "api", "sub": "eve", "exp": NOW + 60}


class Issuer:
    """An issuer's documents, served without a network; counts who looks at its keys."""

    def __init__(self):
        self.keys = [RSAKey.generate_key(2048, {"kid": "1"})]
        self.asked = 0
        self.is_away = False
        self.told = ISSUER

    def __call__(self, request):
        if self.is_away:
            raise httpx.ConnectError("away")
        if request.url.path == "/.well-known/openid-configuration":
            return httpx.Response(200, json={"issuer": self.told, "jwks_uri": f"{ISSUER}/keys"})
        self.asked += 1
        return httpx.Response(200, json=KeySet(self.keys).as_dict(private=False))

    def sign(self, claims, key=None, alg="RS256"):
        key = key or self.keys[-1]
        return jwt.encode({"alg": alg, "kid": key.kid}, claims, key)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def providers(issuer, clock):
    return Providers(httpx.AsyncClient(transport=httpx.MockTransport(issuer)), clock)


async def claims(providers, token, algorithms=SCHEME.algorithms, nonce=None):
    endpoints = await providers.of_tokens(SCHEME)
    tokens = Tokens(providers, lambda: NOW)
    return await tokens.claims(token, endpoints, audience="api", algorithms=algorithms, nonce=nonce)


async def test_a_valid_token(providers, issuer):
    assert (await claims(providers, issuer.sign(CLAIMS)))["sub"] == "eve"
    several = issuer.sign({**CLAIMS, "aud": ["other", "api"]})
    assert (await claims(providers, several))["sub"] == "eve"
    just_over = issuer.sign({**CLAIMS, "exp": NOW - LEEWAY_S + 1})
    assert await claims(providers, just_over)


@pytest.mark.parametrize(
    "change",
    [
        {"exp": NOW - LEEWAY_S - 1},
        {"exp": None},
        {"nbf": NOW + LEEWAY_S + 10},
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": []},
        {"sub": None},
    ],
)
async def test_tokens_that_are_not_for_us_or_not_now(providers, issuer, change):
    changed = {name: value for name, value in {**CLAIMS, **change}.items() if value is not None}
    with pytest.raises(TokenError):
        await claims(providers, issuer.sign(changed))


async def test_only_allowed_algorithms_count(providers, issuer):
    issuer.keys.append(ECKey.generate_key("P-256", {"kid": "2"}))
    token = issuer.sign(CLAIMS, alg="ES256")
    assert await claims(providers, token)
    with pytest.raises(TokenError):
        await claims(providers, token, algorithms=("RS256",))
    with pytest.raises(TokenError):
        await claims(providers, token, algorithms=("none", "HS256"))


async def test_a_nonce_belongs_to_one_login(providers, issuer):
    token = issuer.sign({**CLAIMS, "nonce": "mine"})
    assert await claims(providers, token, nonce="mine")
    with pytest.raises(TokenError, match="another login"):
        await claims(providers, token, nonce="yours")
    shared = issuer.sign({**CLAIMS, "nonce": "mine", "aud": ["api", "other"], "azp": "other"})
    with pytest.raises(TokenError, match="somebody else"):
        await claims(providers, shared, nonce="mine")


async def test_keys_are_looked_at_again_when_one_is_missing_but_not_all_the_time(
    providers, issuer, clock
):
    await claims(providers, issuer.sign(CLAIMS))
    issuer.keys.append(RSAKey.generate_key(2048, {"kid": "new"}))
    clock.now += KEYS_AGAIN_S
    assert await claims(providers, issuer.sign(CLAIMS))
    assert issuer.asked == 2
    stranger = RSAKey.generate_key(2048, {"kid": "strange"})
    for _ in range(5):
        with pytest.raises(TokenError):
            await claims(providers, issuer.sign(CLAIMS, key=stranger))
    assert issuer.asked == 2, "strangers must not make us ask all the time"


async def test_known_keys_count_while_the_issuer_is_away(providers, issuer, clock):
    token = issuer.sign(CLAIMS)
    await claims(providers, token)
    issuer.is_away = True
    clock.now += KEPT_S + 1
    assert await claims(providers, token)


async def test_an_issuer_that_cannot_be_asked_is_a_503(providers, issuer):
    issuer.is_away = True
    with pytest.raises(RequestError) as error:
        await claims(providers, issuer.sign(CLAIMS))
    assert error.value.status == 503
    issuer.is_away, issuer.told = False, "https://evil.example"
    with pytest.raises(RequestError, match="it says that the issuer is"):
        await claims(providers, issuer.sign(CLAIMS))


async def test_presets_say_what_their_discovery_does_not():
    def answers(request):
        issuer = f"https://{request.url.host}"
        return httpx.Response(200, json={"issuer": issuer, "authorization_endpoint": f"{issuer}/a"})

    providers = Providers(httpx.AsyncClient(transport=httpx.MockTransport(answers)))

    async def endpoints(provider, issuer=None):
        return await providers.of_login(
            OidcScheme(name="x", provider=provider, client_id="c", issuer=issuer)
        )

    assert (await endpoints("google")).authorization == "https://accounts.google.com/a"
    assert (await endpoints("gitlab", "https://git.example")).issuer == "https://git.example"
    assert (await endpoints("facebook")).token.startswith("https://graph.facebook.com/")
    assert (await endpoints("github")).userinfo == "https://api.github.com/user"
    own = await endpoints("github", "https://git.example")
    assert own.authorization == "https://git.example/login/oauth/authorize"


async def test_an_issuer_for_many_organizations_is_the_one_of_the_token():
    told = {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=told))
    providers = Providers(httpx.AsyncClient(transport=transport))
    found = await providers.of_login(OidcScheme(name="x", provider="microsoft", client_id="c"))
    assert found.issuer_for({"tid": "t1"}) == "https://login.microsoftonline.com/t1/v2.0"
