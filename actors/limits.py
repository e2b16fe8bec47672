"""Every bound of the executor, in one place. Sizes in bytes, times in seconds."""

from typing import Final

__all__ = [
    "ABSENCE_MAX_S",
    "ACQUIRE_CONCURRENCY_MAX",
    "ATTRIBUTES_MAX",
    "ATTRIBUTE_CHARACTERS_MAX",
    "BLOCKED_SETTLE_S",
    "BOUNDARY_WAIT_S",
    "COMPONENT_LOAD_TRIES_MAX",
    "DAMAGED_NAMED_MAX",
    "DRAIN_WAIT_S",
    "EMITTED_PER_TURN_MAX",
    "HANDED_WAIT_S",
    "HEARTBEAT_INTERVAL_S",
    "INVOCATIONS_PER_TURN_MAX",
    "KEY_BYTES_MAX",
    "LOADS_AT_ONCE_MAX",
    "LOAD_BACKOFF_S",
    "LOG_MESSAGE_BYTES_MAX",
    "MAILBOX_PURGE_MIN",
    "MARK_SENT_AFTER_S",
    "MEMBER_TTL_S",
    "MESSAGE_BYTES_MAX",
    "NAME_CHARACTERS_MAX",
    "OUTCOME_OVERHEAD_BYTES",
    "PARAMETERS_BYTES_MAX",
    "PAST_ENTRIES_PER_TURN_MAX",
    "PAYLOAD_BYTES_MAX",
    "QUEUE_MESSAGES_MAX",
    "READS_AT_ONCE_MAX",
    "READS_OF_ALL_MAX",
    "READS_WAITING_MAX",
    "READ_S_MAX",
    "RELOAD_DELAY_S",
    "RELOAD_DOUBLINGS_MAX",
    "REMEMBERED_COMMITS_MAX",
    "REMEMBERED_LOG_BYTES_MAX",
    "RESULT_BYTES_MAX",
    "RESULT_TO_BYTES_MAX",
    "SHORTENED_LOOK_S",
    "SNAPSHOTS_AT_ONCE_MAX",
    "UNCOMMITTED_ENTRIES_MAX",
    "UPDATE_DETAILS_CHARACTERS_MAX",
    "WAKE_AT_MS_MAX",
]

KEY_BYTES_MAX: Final = 256
# As a token of a subject: two names and what stands around them fit into the 4,096 bytes of a line
# to the broker.
NAME_CHARACTERS_MAX: Final = 1_536
RESULT_TO_BYTES_MAX: Final = 256
# What whoever invokes says of an invocation, for its guest and its trace.
ATTRIBUTES_MAX: Final = 64
ATTRIBUTE_CHARACTERS_MAX: Final = 1024
MESSAGE_BYTES_MAX: Final = 1 << 20
# A payload beside its message, in the object store.
PAYLOAD_BYTES_MAX: Final = 16 << 20
PARAMETERS_BYTES_MAX: Final = 16 << 20
RESULT_BYTES_MAX: Final = 16 << 20
# Room in an outcome message for everything but the result: headers, key, function name.
OUTCOME_OVERHEAD_BYTES: Final = 16 << 10
LOG_MESSAGE_BYTES_MAX: Final = 64 << 10
# Why an update failed, as it stands in the log and in the worker's status.
UPDATE_DETAILS_CHARACTERS_MAX: Final = 4_000

# A guest that runs ahead of its commits by more than this waits for the broker.
UNCOMMITTED_ENTRIES_MAX: Final = 1_000
# How many invocations of one worker run before other workers get a turn of the event loop.
INVOCATIONS_PER_TURN_MAX: Final = 8
# How many entries of one log are folded before other workers get a turn: some milliseconds.
PAST_ENTRIES_PER_TURN_MAX: Final = 2_000
# Entries of one worker whose messages are sent again before other workers get a turn.
EMITTED_PER_TURN_MAX: Final = 200
# Messages kept in memory per worker; the rest stays in the stream and is read when these are done.
QUEUE_MESSAGES_MAX: Final = 10_000
# Consumed messages are removed from the mailbox once this many have piled up.
MAILBOX_PURGE_MIN: Final = 256

# The end of the year 9999: schedules know no later date. A longer sleep begins again then.
WAKE_AT_MS_MAX: Final = 253_402_300_799_000

MEMBER_TTL_S: Final = 2.0
# How long at most a mark lives, and an absence is excused, where marks take long to be stored.
ABSENCE_MAX_S: Final = 10.0
HEARTBEAT_INTERVAL_S: Final = 0.4
DRAIN_WAIT_S: Final = 2.0
# In the mark of an executor, which every other one reads each second.
DAMAGED_NAMED_MAX: Final = 10
RELOAD_DELAY_S: Final = 0.05
RELOAD_DOUBLINGS_MAX: Final = 9
LOAD_BACKOFF_S: Final = 0.1
# Workers that are read or instantiated at the same time. Thousands at once would fill one turn of
# the event loop with seconds of work, and the heartbeat would miss its time.
LOADS_AT_ONCE_MAX: Final = 16
# Longer logs are not kept for workers that leave memory. Replaying more takes ten milliseconds, for
# which the usual policy takes a snapshot.
REMEMBERED_COMMITS_MAX: Final = 128
REMEMBERED_LOG_BYTES_MAX: Final = 64 << 10
# Snapshots taken at the same time: each copies what its guest has changed.
SNAPSHOTS_AT_ONCE_MAX: Final = 4
COMPONENT_LOAD_TRIES_MAX: Final = 5
# Read-only functions of one worker that wait, and of all workers that run, at the same time.
READS_WAITING_MAX: Final = 1_000
READS_AT_ONCE_MAX: Final = 8
READS_OF_ALL_MAX: Final = 64
# How long one may run.
READ_S_MAX: Final = 60.0
# How long an answer that was handed to a caller in the same process waits to be recorded before it
# is sent as a message, and a caller that waits for an answer keeps its delivery unacknowledged.
HANDED_WAIT_S: Final = 0.1
BLOCKED_SETTLE_S: Final = 0.1
# How long what is sent waits for a commit that says so. The broker drops it for
# `DUPLICATE_WINDOW_S` if it is sent again. Meanwhile the worker keeps its delivery, of which a
# partition has ten thousand.
MARK_SENT_AFTER_S: Final = 10.0
# How long a read waits for the end of the running invocation before the log is replayed for it.
BOUNDARY_WAIT_S: Final = 0.02
ACQUIRE_CONCURRENCY_MAX: Final = 16
# How often to look whether the loss of a partition was accepted.
SHORTENED_LOOK_S: Final = 5.0
