"""How much a worker may keep in its files.

Replay depends on these numbers, since they decide which calls of a guest fail.
"""

from typing import Final

__all__ = [
    "DESCRIPTORS_MAX",
    "ENTRY_BYTES",
    "FILE_BYTES_MAX",
    "INLINE_BYTES_MAX",
    "LINKS_FOLLOWED_MAX",
    "NAME_BYTES_MAX",
    "NODES_MAX",
    "PAGE_BYTES",
    "PATH_BYTES_MAX",
    "SAVED_BYTES_MAX",
    "WORKER_BYTES_MAX",
]

# All contents of one worker together, holes not counted.
WORKER_BYTES_MAX: Final = 1 << 30
# The end of a file, holes counted: far beyond what can be filled, near enough to fit any reader.
FILE_BYTES_MAX: Final = 1 << 40
# Files, directories and links of one worker.
NODES_MAX: Final = 100_000
DESCRIPTORS_MAX: Final = 10_000
# What an entry of a listing takes beside its name.
ENTRY_BYTES: Final = 64
NAME_BYTES_MAX: Final = 255
PATH_BYTES_MAX: Final = 4096
LINKS_FOLLOWED_MAX: Final = 40

# Contents that are saved with a snapshot; a worker with more is brought back by replay.
SAVED_BYTES_MAX: Final = 64 << 20

# Larger contents leave memory for the disk, in pages.
INLINE_BYTES_MAX: Final = 64 * 1024
PAGE_BYTES: Final = 64 * 1024
