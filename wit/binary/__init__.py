"""The binary format of components: bytes into definitions.

`parse` reads, `wit.binary.definitions` says what it returns. Owns the format; knows nothing of how
a component is instantiated, and never looks into core modules.

Source: component-model specification, Binary.md.
"""

from wit.binary.definitions import Component as Component
from wit.binary.definitions import Definition as Definition
from wit.binary.definitions import extends as extends
from wit.binary.reader import Kind as Kind
from wit.binary.reader import kind_of as kind_of
from wit.binary.reader import parse as parse
from wit.binary.sorts import Sort as Sort
from wit.binary.sorts import SortIndex as SortIndex

__all__ = ["Component", "Definition", "Kind", "Sort", "SortIndex", "extends", "kind_of", "parse"]
