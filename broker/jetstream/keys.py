"""Bucket keys: any text as tokens that the broker and its command line accept."""

import re
from typing import Final

__all__ = ["decode_key", "encode_key"]

_PLAIN: Final = re.compile(r"[A-Za-z0-9_/-]+")
_ESCAPED: Final = re.compile(r"[^A-Za-z0-9_/-]")


def encode_key(key: str) -> str:
    """Return `key` as one token; every other byte becomes `=XX`, the empty key `=`."""
    if _PLAIN.fullmatch(key):
        return key
    if not key:
        return "="
    return _ESCAPED.sub(
        lambda found: "".join(f"={byte:02X}" for byte in found[0].encode(errors="surrogatepass")),
        key,
    )


def decode_key(token: str) -> str:
    """Return the key that `encode_key` made `token` of.

    Raises:
        ValueError: a malformed escape.
    """
    if "=" not in token:
        return token
    head, *rest = token.split("=")
    if rest == [""]:
        return head
    out = bytearray(head.encode())
    for part in rest:
        out.append(int(part[:2], 16))
        out += part[2:].encode()
    return out.decode(errors="surrogatepass")
