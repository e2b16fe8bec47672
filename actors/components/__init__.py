"""Components: their versions, settings and bytes, found by name and loaded once.

Knows the broker's ports and the engine's port. Knows nothing of workers: who uses a component and
which imports the host provides is told by callables.
"""

from actors.components.code import BlobCode
from actors.components.errors import (
    BadComponentError,
    ComponentDamagedError,
    ComponentInUseError,
    ComponentsError,
    UnknownComponentError,
)
from actors.components.record import (
    ComponentKind,
    ComponentRecord,
    InitialFile,
    Upload,
    blob_name,
    file_blob_name,
)
from actors.components.store import Breaks, Check, ComponentStore, Linked, UsersOf

__all__ = [
    "BadComponentError",
    "BlobCode",
    "Breaks",
    "Check",
    "ComponentDamagedError",
    "ComponentInUseError",
    "ComponentKind",
    "ComponentRecord",
    "ComponentStore",
    "ComponentsError",
    "InitialFile",
    "Linked",
    "UnknownComponentError",
    "Upload",
    "UsersOf",
    "blob_name",
    "file_blob_name",
]
