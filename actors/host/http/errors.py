"""Why an exchange failed, as the `error-code` of `wasi:http/types`.

HttpError    an answer to the guest, whose business another attempt is: terminal for the host
"""

import errno
import socket
import ssl
from typing import Final

from actors.host.http.alerts import alert_of
from wit.types import Case, Field, OptionType, Primitive, RecordType, VariantType
from wit.values import Value, some

__all__ = ["ERROR_CODE", "HttpError", "code_of", "simple"]

_TEXT: Final = OptionType(Primitive.STRING)
_DNS_PAYLOAD: Final = RecordType(
    (Field("rcode", _TEXT), Field("info-code", OptionType(Primitive.U16)))
)
_ALERT_PAYLOAD: Final = RecordType(
    (
        Field("alert-id", OptionType(Primitive.U8)),
        Field("alert-message", _TEXT),
    )
)
_FIELD_PAYLOAD: Final = RecordType(
    (
        Field("field-name", _TEXT),
        Field("field-size", OptionType(Primitive.U32)),
    )
)
_SIZE: Final = OptionType(Primitive.U32)
_LENGTH: Final = OptionType(Primitive.U64)

# The WIT type, for what is recorded.
ERROR_CODE: Final = VariantType(
    (
        Case("DNS-timeout"),
        Case("DNS-error", _DNS_PAYLOAD),
        Case("destination-not-found"),
        Case("destination-unavailable"),
        Case("destination-IP-prohibited"),
        Case("destination-IP-unroutable"),
        Case("connection-refused"),
        Case("connection-terminated"),
        Case("connection-timeout"),
        Case("connection-read-timeout"),
        Case("connection-write-timeout"),
        Case("connection-limit-reached"),
        Case("TLS-protocol-error"),
        Case("TLS-certificate-error"),
        Case("TLS-alert-received", _ALERT_PAYLOAD),
        Case("HTTP-request-denied"),
        Case("HTTP-request-length-required"),
        Case("HTTP-request-body-size", _LENGTH),
        Case("HTTP-request-method-invalid"),
        Case("HTTP-request-URI-invalid"),
        Case("HTTP-request-URI-too-long"),
        Case("HTTP-request-header-section-size", _SIZE),
        Case("HTTP-request-header-size", OptionType(_FIELD_PAYLOAD)),
        Case("HTTP-request-trailer-section-size", _SIZE),
        Case("HTTP-request-trailer-size", _FIELD_PAYLOAD),
        Case("HTTP-response-incomplete"),
        Case("HTTP-response-header-section-size", _SIZE),
        Case("HTTP-response-header-size", _FIELD_PAYLOAD),
        Case("HTTP-response-body-size", _LENGTH),
        Case("HTTP-response-trailer-section-size", _SIZE),
        Case("HTTP-response-trailer-size", _FIELD_PAYLOAD),
        Case("HTTP-response-transfer-coding", _TEXT),
        Case("HTTP-response-content-coding", _TEXT),
        Case("HTTP-response-timeout"),
        Case("HTTP-upgrade-failed"),
        Case("HTTP-protocol-error"),
        Case("loop-detected"),
        Case("configuration-error"),
        Case("internal-error", _TEXT),
    )
)


class HttpError(Exception):
    """An exchange failed; `code` is the WIT value."""

    def __init__(self, code: Value) -> None:
        super().__init__(str(code[0]))
        self.code = code


def simple(case: str) -> HttpError:
    """Return the error for a code without payload."""
    return HttpError((case, None))


def code_of(error: BaseException) -> Value:
    """Return the code for whatever ended an exchange."""
    match error:
        case HttpError():
            return error.code
        case socket.gaierror():
            return (
                "DNS-error",
                {"rcode": some(error.strerror or "lookup failed"), "info-code": None},
            )
        case ssl.SSLCertVerificationError():
            return ("TLS-certificate-error", None)
        case ssl.SSLEOFError():
            return ("connection-terminated", None)
        case ssl.SSLError():
            return _tls_code(error)
        case ConnectionRefusedError():
            return ("connection-refused", None)
        case ConnectionError() | EOFError():
            return ("connection-terminated", None)
        case OSError() if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
            return ("destination-IP-unroutable", None)
        case _:
            return ("internal-error", some(f"{type(error).__name__}: {error}"))


def _tls_code(error: ssl.SSLError) -> Value:
    alert = alert_of(error)
    if alert is None:
        return ("TLS-protocol-error", None)
    number, message = alert
    payload = {
        "alert-id": None if number is None else some(number),
        "alert-message": some(message),
    }
    return ("TLS-alert-received", payload)
