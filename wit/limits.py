"""Limits of the wit package. Beyond one of them its own error types are raised, nothing hangs."""

__all__ = [
    "JSON_BYTES_MAX",
    "PACKED_BYTES_MAX",
    "SHOWN_CHARACTERS_MAX",
    "SUGGESTIONS_MAX",
    "TYPE_DEPTH_MAX",
    "TYPE_SIZE_MAX",
    "VALUE_NODES_MAX",
    "WAVE_CHARACTERS_MAX",
    "WAVE_DEPTH_MAX",
    "WIT_CHARACTERS_MAX",
    "WIT_FILES_MAX",
]

# Types nest this deep at most; values nest as deep as their types. wasmparser allows 100.
TYPE_DEPTH_MAX = 100

# Types inside one type, shared ones counted each time: they are hashed and printed as trees.
TYPE_SIZE_MAX = 100_000

# One JSON document with values. The broker carries 1 MiB; larger ones come through files and HTTP.
JSON_BYTES_MAX = 64 * 1024 * 1024

# One packed value, in bytes.
PACKED_BYTES_MAX = 64 * 1024 * 1024

# Nodes visited in one flat node list; a node that is referred to twice counts twice.
VALUE_NODES_MAX = 1_000_000

# One WAVE call or value, counted in characters.
WAVE_CHARACTERS_MAX = 16 * 1024 * 1024

# Brackets in WAVE text. One level of a type takes at most two of them: `some((…))`.
WAVE_DEPTH_MAX = 2 * TYPE_DEPTH_MAX

# One WIT file, in characters, and the files of one package with all that it depends on.
WIT_CHARACTERS_MAX = 4 * 1024 * 1024
WIT_FILES_MAX = 2_000

# Of a wrong value, error messages show so much.
SHOWN_CHARACTERS_MAX = 60

# Near matches and candidates named in one error message.
SUGGESTIONS_MAX = 8
