"""Bounds on what a component binary may contain, so that no input costs unbounded work.

The values follow what wasmtime accepts where it has such a bound; the others are an order of
magnitude above what real toolchains emit.
"""

__all__ = [
    "COMPONENT_NESTING_MAX",
    "DEFINITIONS_MAX",
    "EVALUATIONS_MAX",
    "EVALUATION_DEPTH_MAX",
    "EVALUATION_INSTANCE_COST",
    "ITEMS_MAX",
    "NAME_BYTES_MAX",
    "PARAMETERS_MAX",
    "TYPE_DECLARATION_NESTING_MAX",
    "TYPE_DEPTH_MAX",
    "TYPE_SIZE_MAX",
]

COMPONENT_NESTING_MAX = 32
"""Components inside components."""

TYPE_DECLARATION_NESTING_MAX = 32
"""Component and instance types inside each other."""

DEFINITIONS_MAX = 200_000
"""Definitions and declarators of a whole file, nested components included."""

ITEMS_MAX = 100_000
"""Elements of one list: record fields, arguments of an instantiation, exports of an instance."""

PARAMETERS_MAX = 1_000
"""Parameters of one function."""

NAME_BYTES_MAX = 100_000
"""UTF-8 bytes of one name."""

TYPE_DEPTH_MAX = 100
"""Levels of one value type after resolution, so that recursion over types is safe."""

TYPE_SIZE_MAX = 100_000
"""Nodes of one value type after resolution, shared parts counted each time they occur.

Types are stored as graphs, but compared, hashed and printed as trees.
"""

EVALUATIONS_MAX = 200_000
"""Definitions and list items evaluated while resolving: what is instantiated twice counts twice."""

EVALUATION_INSTANCE_COST = 20
"""What making the index spaces of one instance counts as, in definitions."""

EVALUATION_DEPTH_MAX = 64
"""Instantiations inside each other while resolving, instance types included."""
