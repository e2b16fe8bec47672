"""What the other side of a TLS connection complains of, as the TLS library names it."""

import ssl
from typing import Final

__all__ = ["alert_of"]

_SIGN: Final = "_ALERT_"
# RFC 8446, 6, and what earlier versions of TLS had.
_NUMBERS: Final = {
    "close notify": 0,
    "unexpected message": 10,
    "bad record mac": 20,
    "record overflow": 22,
    "handshake failure": 40,
    "bad certificate": 42,
    "unsupported certificate": 43,
    "certificate revoked": 44,
    "certificate expired": 45,
    "certificate unknown": 46,
    "illegal parameter": 47,
    "unknown ca": 48,
    "access denied": 49,
    "decode error": 50,
    "decrypt error": 51,
    "protocol version": 70,
    "insufficient security": 71,
    "internal error": 80,
    "inappropriate fallback": 86,
    "user cancelled": 90,
    "missing extension": 109,
    "unsupported extension": 110,
    "unrecognized name": 112,
    "bad certificate status response": 113,
    "unknown psk identity": 115,
    "certificate required": 116,
    "no application protocol": 120,
}


def alert_of(error: ssl.SSLError) -> tuple[int | None, str] | None:
    """Return the number and name of the alert that was received; None: there was none."""
    _, sign, name = (getattr(error, "reason", None) or "").partition(_SIGN)
    if not sign:
        return None
    message = name.replace("_", " ").lower()
    return _NUMBERS.get(message), message
