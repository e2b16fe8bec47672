"""TLS contexts from configured files."""

import ssl
from typing import Final

from broker.errors import SetupError
from broker.jetstream.options import ConnectOptions

__all__ = ["tls_context", "untrusted"]

# X509_V_ERR_CERT_HAS_EXPIRED, which the library has no name for.
_EXPIRED: Final = 10


def tls_context(options: ConnectOptions) -> ssl.SSLContext | None:
    """Return the context that the options ask for, None without TLS.

    Raises:
        SetupError: a file is missing or holds no certificate or key.
    """
    if not options.wants_tls:
        return None
    if (options.tls_cert is None) != (options.tls_key is None):
        raise SetupError("a client certificate needs its key: give both tls_cert and tls_key")
    try:
        context = ssl.create_default_context(
            cafile=None if options.tls_ca is None else str(options.tls_ca)
        )
        if options.tls_cert is not None:
            context.load_cert_chain(options.tls_cert, options.tls_key)
    except OSError as error:
        raise SetupError(
            f"TLS files cannot be loaded (ca {options.tls_ca}, cert {options.tls_cert}, "
            f"key {options.tls_key}): {error}"
        ) from error
    return context


def untrusted(server: str, error: ssl.SSLCertVerificationError) -> SetupError:
    """Return what to raise when a server's certificate does not verify."""
    if error.verify_code == _EXPIRED:
        return SetupError(
            f"the certificate of the NATS server at {server} has expired: make another one (`shem "
            "deploy nats` again makes it), and reload the server"
        )
    return SetupError(
        f"the certificate of the NATS server at {server} is not trusted "
        f"({error.verify_message}): set tls_ca to its authority, or tls_server_name to the name "
        "it is made out to"
    )
