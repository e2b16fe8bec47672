"""Bounds of the sockets of a worker."""

from typing import Final

__all__ = [
    "BACKLOG_MAX",
    "CONNECT_TIMEOUT_S",
    "DATAGRAMS_PER_CALL_MAX",
    "DATAGRAM_BYTES_MAX",
    "LINGER_S",
    "LOOKUPS_MAX",
    "NAME_BYTES_MAX",
    "PIECE_BYTES",
    "RECEIVE_BUFFER_BYTES_MAX",
    "SEND_BUFFER_BYTES_MAX",
    "SOCKETS_MAX",
    "SYSTEM_BUFFER_BYTES_MAX",
]

SOCKETS_MAX: Final = 100
CONNECT_TIMEOUT_S: Final = 30.0
# Names that a worker looks up at a time.
LOOKUPS_MAX: Final = 100
# How long what was written is still sent after the guest has dropped the socket.
LINGER_S: Final = 60.0
# Connections that wait to be accepted, whatever the guest asks for.
BACKLOG_MAX: Final = 4_096
# Each of the two buffers that the system has for a socket, whatever the guest asks for.
SYSTEM_BUFFER_BYTES_MAX: Final = 4 << 20
PIECE_BYTES: Final = 64 * 1024
# Received and not read by the guest; beyond it the connection is not read.
RECEIVE_BUFFER_BYTES_MAX: Final = 1 << 20
# Written by the guest and not sent.
SEND_BUFFER_BYTES_MAX: Final = 1 << 20
DATAGRAM_BYTES_MAX: Final = 65_507
DATAGRAMS_PER_CALL_MAX: Final = 16
NAME_BYTES_MAX: Final = 255
