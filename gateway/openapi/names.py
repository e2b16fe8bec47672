"""The extensions by which a document says what OpenAPI has no word for."""

from typing import Final

__all__ = ["API_DRAFT", "API_ID", "API_VERSION", "BINDING", "LIMITS", "PATH"]

# Of the document.
API_ID: Final = "x-shem-api-id"
API_VERSION: Final = "x-shem-api-version"
API_DRAFT: Final = "x-shem-api-draft"

# Of an operation; limits also of the document.
BINDING: Final = "x-shem-binding"
LIMITS: Final = "x-shem-limits"
# The route's path where OpenAPI cannot say it: `{+rest}`.
PATH: Final = "x-shem-path"
