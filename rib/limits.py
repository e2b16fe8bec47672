"""Limits of Rib. Beyond one of them a diagnostic or a run-time error is given, nothing hangs."""

__all__ = [
    "DIAGNOSTICS_MAX",
    "LITERAL_DIGITS_MAX",
    "MEMBERS_MAX",
    "NESTING_MAX",
    "NODES_MAX",
    "PATTERN_WORK_MAX",
    "SHOWN_CHARACTERS_MAX",
    "SHOWN_PATTERNS_MAX",
    "STEPS_MAX",
    "STRING_CHARACTERS_MAX",
    "SUGGESTIONS_MAX",
    "TEXT_CHARACTERS_MAX",
    "TREE_DEPTH_MAX",
    "TYPE_PARTS_MAX",
    "VALUE_UNITS_MAX",
]

# One program, in characters.
TEXT_CHARACTERS_MAX = 256 * 1024

# Brackets, branches and interpolations inside each other. The parser recurses about six Python
# frames for each, and Python allows a thousand.
NESTING_MAX = 80

# The tree may be deeper than the nesting, because `a + b + c` grows to the left without brackets.
# Inference and code generation recurse two or three frames for each level.
TREE_DEPTH_MAX = 160

# Expressions of one program.
NODES_MAX = 20_000

# Digits of one number literal; f64 needs at most 17 that count.
LITERAL_DIGITS_MAX = 400

# Parts of one inferred type, shared parts each time: `let b = (a, a)` doubles with every line.
TYPE_PARTS_MAX = 2_000

# Compile errors reported at once.
DIAGNOSTICS_MAX = 50

# Splitting steps of one exhaustiveness analysis; nested patterns can multiply.
PATTERN_WORK_MAX = 20_000

# Uncovered patterns named in one error, and near matches.
SHOWN_PATTERNS_MAX = 8
SUGGESTIONS_MAX = 5

# Of an expression, error messages show so much.
SHOWN_CHARACTERS_MAX = 120

# Instructions that one run may execute.
STEPS_MAX = 10_000_000

# One string, in characters.
STRING_CHARACTERS_MAX = 16 * 1024 * 1024

# Members of one list.
MEMBERS_MAX = 1_000_000

# A value that leaves the program, counted in members and characters, shared parts each time.
VALUE_UNITS_MAX = 64 * 1024 * 1024
