"""Signed claims as NATS servers read them. What a server makes of them: `test_security.py`."""

import base64
import json
from pathlib import Path
from typing import Any

import nkeys
import pytest

from broker.jetstream.auth import read_creds
from broker.permissions import Permissions
from shem.deploy.jwt import (
    AccountClaims,
    account_jwt,
    creds_text,
    operator_jwt,
    say_the_same,
    user_jwt,
)
from shem.deploy.keys import Key, KeyKind, kept_key
from shem.deploy.sizes import size_in_bytes
from shem.errors import RefusedError

NOW_S = 1_790_000_000


@pytest.fixture
def keys(tmp_path: Path) -> dict[KeyKind, Key]:
    return {kind: kept_key(tmp_path / f"{kind.name}.nk", kind) for kind in KeyKind}


def opened(jwt: str, issuer: Key) -> dict[str, Any]:
    """Check the signature and return the claims."""
    head, body, signature = jwt.split(".")

    def plain(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    assert json.loads(plain(head)) == {"typ": "JWT", "alg": "ed25519-nkey"}
    pair = nkeys.from_seed(bytearray(issuer.seed.encode()))
    assert pair.verify(f"{head}.{body}".encode(), plain(signature))
    claims: dict[str, Any] = json.loads(plain(body))
    assert claims["iss"] == issuer.public
    assert claims["iat"] == NOW_S
    return claims


def test_keys_tell_whose_they_are_and_are_made_once(tmp_path: Path, keys: dict[KeyKind, Key]):
    assert [keys[kind].public[0] for kind in KeyKind] == ["U", "A", "O"]
    again = kept_key(tmp_path / "USER.nk", KeyKind.USER)
    assert again == keys[KeyKind.USER]
    assert (tmp_path / "USER.nk").stat().st_mode & 0o777 == 0o600


def test_when_claims_were_signed_makes_no_difference_to_what_they_say(keys: dict[KeyKind, Key]):
    operator = keys[KeyKind.OPERATOR]
    one = operator_jwt(operator, system_account="A1", at_s=NOW_S)
    later = operator_jwt(operator, system_account="A1", at_s=NOW_S + 1)
    assert one != later
    assert say_the_same(one, later)
    assert not say_the_same(one, operator_jwt(operator, system_account="A2", at_s=NOW_S))
    other = keys[KeyKind.ACCOUNT]
    assert not say_the_same(one, operator_jwt(other, system_account="A1", at_s=NOW_S))
    for broken in ("", "a", "a.!.c", "a.bm9uZQ.c"):
        assert not say_the_same(broken, one)


def test_each_is_signed_by_the_one_above(keys: dict[KeyKind, Key]):
    operator, account, user = keys[KeyKind.OPERATOR], keys[KeyKind.ACCOUNT], keys[KeyKind.USER]
    told = opened(operator_jwt(operator, system_account="A1", at_s=NOW_S), operator)
    assert told["sub"] == operator.public
    assert told["nats"]["system_account"] == "A1"

    about = AccountClaims(
        name="shop", disk_bytes=5, mappings={"a.*": "b.*"}, revoked={user.public: 7}
    )
    told = opened(account_jwt(operator, account.public, about, at_s=NOW_S), operator)
    assert told["sub"] == account.public
    assert told["name"] == "shop"
    assert told["nats"]["limits"]["disk_storage"] == 5
    assert told["nats"]["mappings"] == {"a.*": [{"subject": "b.*", "weight": 100}]}
    assert told["nats"]["revocations"] == {user.public: 7}

    may = Permissions(publish=("a",), publish_denied=("b",), subscribe=("c",))
    told = opened(user_jwt(account, user.public, "client", may, at_s=NOW_S), account)
    assert told["sub"] == user.public
    assert told["nats"]["pub"] == {"allow": ["a"], "deny": ["b"]}
    assert told["nats"]["sub"] == {"allow": ["c"]}


def test_an_account_without_storage_has_no_jetstream(keys: dict[KeyKind, Key]):
    operator = keys[KeyKind.OPERATOR]
    about = AccountClaims(name="SYS", disk_bytes=0)
    limits = opened(account_jwt(operator, "A1", about, at_s=NOW_S), operator)["nats"]["limits"]
    assert "disk_storage" not in limits


def test_credentials_are_read_as_they_were_written(tmp_path: Path):
    (tmp_path / "x.creds").write_text(creds_text("a.b.c", "SUSEED"))
    assert read_creds(tmp_path / "x.creds") == ("a.b.c", "SUSEED")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("10K", 10_000),
        ("10KB", 10 << 10),
        ("5MiB", 5 << 20),
        ("10GB", 10 << 30),
        ("2TB", 2 << 40),
        ("1gb", 1 << 30),
    ],
)
def test_sizes_are_those_of_the_servers(text: str, size: int):
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "10XB", "-1", "1.5GB", "10 GB GB"])
def test_what_is_no_size_is_refused(text: str):
    with pytest.raises(RefusedError, match="no size"):
        size_in_bytes(text)
