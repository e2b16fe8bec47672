"""Whether a component is valid, before anything of it is compiled or run.

wasmtime validates the core modules, not how a component puts them together. Here every component,
nested ones too and whether instantiated or not, is checked as it stands: with its imports unknown.
Pure.
"""

from actors.engine.validate.components import validate

__all__ = ["validate"]
