"""Every time-out, batch and window of the JetStream adapter, in one place."""

from typing import Final

__all__ = [
    "ACK_WAIT_S",
    "API_RETRIED_TIMEOUT_S",
    "API_TIMEOUT_S",
    "BACKOFF_MAX_S",
    "BACKOFF_MIN_S",
    "BLOB_ATTEMPTS_MAX",
    "BLOB_CHUNKS_IN_FLIGHT_MAX",
    "BLOB_CHUNK_BYTES_MAX",
    "BYTES_PER_FURTHER_MESSAGE",
    "CONTAINERS_MAX",
    "DELIVERIES_UNACKNOWLEDGED_MAX",
    "FOLLOWER_HEARD_S",
    "HEADER_RESERVE_BYTES",
    "MARKER_TTL_S",
    "MESSAGES_PER_TURN_MAX",
    "MESSAGES_PER_TURN_MIN",
    "OUTGOING_BYTES_MAX",
    "PINGS_UNANSWERED_MAX",
    "PING_INTERVAL_S",
    "PIN_TIMEOUT_S",
    "PUBLISH_TIMEOUT_S",
    "PULL_BATCH",
    "PULL_EXPIRES_S",
    "PULL_SILENCE_MAX_S",
    "READ_BACKLOG_BYTES_HIGH",
    "READ_BATCH",
    "READ_BATCH_BYTES",
    "READ_PATIENCE_S",
    "READ_SILENCE_MAX_S",
    "READ_TIMEOUT_S",
    "RECONNECT_MAX_S",
    "RECONNECT_MIN_S",
    "TURN_S",
    "UNPINNED_OWNER_WAIT_MAX_S",
    "WATCH_HEARTBEAT_S",
    "WRITE_BUFFER_BYTES_HIGH",
]

PUBLISH_TIMEOUT_S: Final = 2.0
API_TIMEOUT_S: Final = 5.0
# What may be asked again without harm is: a leader that died with the request answers nothing.
API_RETRIED_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 5.0
# A replica that died or was stopped with our request answers nothing: another one is asked.
READ_SILENCE_MAX_S: Final = 1.0
# Long enough for the replicas to elect a new leader, which takes them about six seconds.
READ_PATIENCE_S: Final = 12.0

BACKOFF_MIN_S: Final = 0.02
BACKOFF_MAX_S: Final = 0.5
RECONNECT_MIN_S: Final = 0.05
RECONNECT_MAX_S: Final = 1.0

PING_INTERVAL_S: Final = 2.0
PINGS_UNANSWERED_MAX: Final = 3
WRITE_BUFFER_BYTES_HIGH: Final = 4 * 1024 * 1024
OUTGOING_BYTES_MAX: Final = 64 * 1024 * 1024

# What arrived together is taken in portions, one per turn of the event loop: the commits of the
# first leave while the later ones run. Taken all at once, everybody would move in step, the broker
# idle while we work, and we while it does. The more waits, the larger they are, by about half of
# it: what is handed out together shares turns, sends and, for one worker, commits. Where what they
# cause takes long, such as guests that compute, the first would only wait for the last.
TURN_S: Final = 0.01
MESSAGES_PER_TURN_MIN: Final = 8
BYTES_PER_FURTHER_MESSAGE: Final = 512
MESSAGES_PER_TURN_MAX: Final = 64
# With so much received and not yet taken, no more is read.
READ_BACKLOG_BYTES_HIGH: Final = 8 * 1024 * 1024

READ_BATCH: Final = 1000
READ_BATCH_BYTES: Final = 4 * 1024 * 1024

# A pull renews its owner's pin, so it has to end well before the pin runs out.
PULL_BATCH: Final = 256
PULL_EXPIRES_S: Final = 1.0
PULL_SILENCE_MAX_S: Final = 2.5
PIN_TIMEOUT_S: Final = 2.0
UNPINNED_OWNER_WAIT_MAX_S: Final = 10.0
ACK_WAIT_S: Final = 30.0
# Followers are heard every second.
FOLLOWER_HEARD_S: Final = 2.5
DELIVERIES_UNACKNOWLEDGED_MAX: Final = 10_000

MARKER_TTL_S: Final = 60
WATCH_HEARTBEAT_S: Final = 5.0

BLOB_CHUNK_BYTES_MAX: Final = 1024 * 1024
BLOB_CHUNKS_IN_FLIGHT_MAX: Final = 4
BLOB_ATTEMPTS_MAX: Final = 5
# What subject, headers and framing of one message may take off the payload limit.
HEADER_RESERVE_BYTES: Final = 4096

# Each is a stream of the broker, which has to keep them all open.
CONTAINERS_MAX: Final = 1_000
