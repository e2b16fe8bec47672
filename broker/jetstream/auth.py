"""Who we are, as the fields of a CONNECT command."""

import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final, Protocol, cast

import nkeys  # type: ignore[import-untyped]  # ships no type information

from broker.errors import SetupError
from broker.jetstream.options import ConnectOptions

__all__ = ["auth_fields", "read_creds"]

_SECTION: Final = re.compile(
    r"-{3,}\s*BEGIN ([A-Z ]+?)\s*-{3,}\s+(\S+?)\s+-{3,}\s*END [A-Z ]+?\s*-{3,}", re.DOTALL
)


class _KeyPair(Protocol):
    """What we use of the untyped library's key pair."""

    @property
    def public_key(self) -> bytes: ...

    def sign(self, input: bytes) -> bytes: ...  # noqa: A002  # the library's name


def auth_fields(options: ConnectOptions, nonce: str) -> dict[str, str]:
    """Return what answers the server's challenge.

    Raises:
        SetupError: a seed or credentials file is missing or malformed.
    """
    if options.creds_file is not None:
        jwt, jwt_seed = read_creds(options.creds_file)
        signature = _sign(jwt_seed, nonce, str(options.creds_file))[0]
        return {"jwt": jwt, "sig": signature}
    seed = options.nkey_seed
    source = "nkey_seed"
    if options.nkey_seed_file is not None:
        seed, source = _read(options.nkey_seed_file).strip(), str(options.nkey_seed_file)
    if seed is not None:
        signature, public = _sign(seed, nonce, source)
        return {"nkey": public, "sig": signature}
    if options.token is not None:
        return {"auth_token": options.token}
    if options.user is not None:
        return {"user": options.user, "pass": options.password or ""}
    return {}


def read_creds(file: Path) -> tuple[str, str]:
    """Return user JWT and nkey seed of a credentials file.

    Raises:
        SetupError: the file is missing or lacks a section.
    """
    sections: dict[str, str] = dict(_SECTION.findall(_read(file)))
    try:
        return sections["NATS USER JWT"], sections["USER NKEY SEED"]
    except KeyError as error:
        raise SetupError(f"credentials file {file} has no section {error}") from error


def _sign(seed: str, nonce: str, source: str) -> tuple[str, str]:
    """Return the signature of the nonce and the public key."""
    if not nonce:
        return "", ""
    try:
        pair = cast("_KeyPair", nkeys.from_seed(bytearray(seed.encode())))  # pyright: ignore[reportUnknownMemberType]  # untyped library
    except (nkeys.NkeysError, ValueError) as error:
        raise SetupError(f"{source} holds no nkey seed: {type(error).__name__}") from error
    signature = urlsafe_b64encode(pair.sign(nonce.encode())).rstrip(b"=").decode()
    return signature, pair.public_key.decode()


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise SetupError(f"{file} cannot be read: {error.strerror}") from error
