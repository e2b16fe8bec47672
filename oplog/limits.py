"""Every limit of the oplog, in one table. Sizes are bytes of JSON before compression."""

from typing import Final

__all__ = [
    "COMMIT_BYTES_MAX",
    "COMMIT_ENTRIES_MAX",
    "COMPANY_WAIT_S",
    "COMPRESS_BYTES_MIN",
    "COMPRESS_LEVEL",
    "DECOMPRESSED_BYTES_MAX",
    "ENTRY_BYTES_MAX",
    "INLINE_BYTES_MAX",
    "PAGE_ENTRIES_MAX",
    "PATTERN_NODES_MAX",
    "PATTERN_STATES_MAX",
    "QUERY_CHARACTERS_MAX",
    "QUERY_DEPTH_MAX",
    "RENDER_CHARACTERS_MAX",
    "SNAPSHOTS_KEPT_MAX",
]

# A payload above it lies in the blob store, so that a commit stays far below a broker's message.
INLINE_BYTES_MAX: Final = 64 * 1024

# A commit is closed when it reaches either; the rest goes into the next one. Without a cap, a deep
# queue becomes one message above the broker's limit, which can never be stored.
COMMIT_BYTES_MAX: Final = 256 * 1024
COMMIT_ENTRIES_MAX: Final = 500

# So long an entry that says it is in no hurry waits for another to travel with.
COMPANY_WAIT_S: Final = 0.1

# An entry that is larger even without its payloads is refused when it is added: no commit could
# hold it together with its frame.
ENTRY_BYTES_MAX: Final = 240 * 1024

# Small commits stay readable in any NATS tool, and compressing them would cost more than it saves.
COMPRESS_BYTES_MIN: Final = 4 * 1024
COMPRESS_LEVEL: Final = 1

# What a compressed commit may say it expands to: no honest one comes near, a damaged one may.
DECOMPRESSED_BYTES_MAX: Final = 4 * COMMIT_BYTES_MAX

# Searching and showing. A pattern is matched in time linear in the text, whatever it is; its nodes
# and states bound memory.
PAGE_ENTRIES_MAX: Final = 1000
QUERY_CHARACTERS_MAX: Final = 4096
QUERY_DEPTH_MAX: Final = 32
PATTERN_NODES_MAX: Final = 2000
PATTERN_STATES_MAX: Final = 1000
RENDER_CHARACTERS_MAX: Final = 200

# Snapshots of one worker that are kept: what cannot be loaded falls back to the one before.
SNAPSHOTS_KEPT_MAX: Final = 2
