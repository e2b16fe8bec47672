"""What is stored about a component: one record for each version and one pointer to the newest."""

from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from actors.components.errors import BadComponentError
from actors.memory_policy import MemoryTextError, parse_memory
from actors.quota_policy import QuotaTextError, parse_quota
from actors.retry import RetryTextError, parse_retry
from actors.snapshot_policy import AUTO_TEXT, PolicyError, parse_policy

__all__ = [
    "ComponentKind",
    "ComponentRecord",
    "HistoryPolicy",
    "InitialFile",
    "Pointer",
    "Upload",
    "blob_name",
    "check_name",
    "check_upload",
    "file_blob_name",
]

NAME_BYTES_MAX: Final = 128
SETTINGS_COUNT_MAX: Final = 1_000

ComponentKind: TypeAlias = Literal["durable", "ephemeral"]
# What becomes of the part of a log that snapshots stand for.
HistoryPolicy: TypeAlias = Literal["keep", "archive", "purge"]
Permissions: TypeAlias = Literal["ro", "rw"]


class InitialFile(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A file that every worker finds at the absolute `path`; its bytes are `file/<digest>`."""

    path: str
    digest: str
    size: int
    permissions: Permissions = "ro"


class Upload(Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """What a caller wants to become a version. The bytes lie in the blob store already.

    `upload_id` makes asking again harmless: an upload of the same id is answered with its version.
    `read_only` are functions by any name that callers may use.
    """

    name: str
    digest: str
    size: int
    kind: ComponentKind = field(default="durable", name="type")
    env: dict[str, str] = field(default_factory=dict[str, str])
    files: tuple[InitialFile, ...] = ()
    links: dict[str, str] = field(default_factory=dict[str, str])
    sockets: bool = False
    upload_id: str | None = None
    snapshots: str = AUTO_TEXT
    retry: str = ""
    memory: str = ""
    quota: str = ""
    history: HistoryPolicy = "keep"
    read_only: tuple[str, ...] = ()


class ComponentRecord(Struct, frozen=True, kw_only=True, rename="kebab"):
    """One version of a component; it never changes. `created_at_ms` is Unix time.

    `links` says which component serves an imported interface, `snapshots` when snapshots of its
    workers are taken, `retry` when their failures are tried again (empty: as the executor has it),
    `memory` how much they may have, `quota` how much they may take up, and `history` what becomes
    of the part of their logs that snapshots stand for. With `sockets` they may use the network
    through `wasi:sockets`. `read_only` are the full names of the functions that run beside the
    queue.
    """

    name: str
    version: int
    digest: str
    size: int
    created_at_ms: int
    kind: ComponentKind = field(default="durable", name="type")
    env: dict[str, str] = field(default_factory=dict[str, str])
    files: tuple[InitialFile, ...] = ()
    links: dict[str, str] = field(default_factory=dict[str, str])
    sockets: bool = False
    upload_id: str | None = None
    snapshots: str = AUTO_TEXT
    retry: str = ""
    memory: str = ""
    quota: str = ""
    history: HistoryPolicy = "keep"
    read_only: tuple[str, ...] = ()

    def same_settings(self, upload: Upload) -> bool:
        """Tell whether `upload` would make nothing but another copy of this version."""
        return (
            self.digest == upload.digest
            and self.kind == upload.kind
            and self.env == upload.env
            and self.files == upload.files
            and self.links == upload.links
            and self.snapshots == upload.snapshots
            and self.retry == upload.retry
            and self.memory == upload.memory
            and self.quota == upload.quota
            and self.history == upload.history
            and self.read_only == upload.read_only
            and self.sockets == upload.sockets
        )


class Pointer(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The newest living version (None: all deleted) and the highest number ever given away.

    Invariant: numbers are never given twice, or the log of an old worker would meet other bytes.
    """

    newest: int | None
    allocated: int


def blob_name(digest: str) -> str:
    """Return where the bytes of a component lie."""
    return f"component/{digest}"


def file_blob_name(digest: str) -> str:
    """Return where the bytes of an initial file lie."""
    return f"file/{digest}"


def check_name(name: str) -> None:
    """Refuse names that could not be typed, or not be told from a worker's id.

    Raises:
        BadComponentError: empty, too long, with a slash, blank or control character.
    """
    if not name:
        raise BadComponentError("component name: expected at least one character, got none")
    if len(name.encode()) > NAME_BYTES_MAX:
        raise BadComponentError(
            f"component name: expected at most {NAME_BYTES_MAX} bytes, got {len(name.encode())}"
        )
    for index, character in enumerate(name):
        if character == "/" or character.isspace() or not character.isprintable():
            raise BadComponentError(
                f"component name {name!r}: character {character!r} at position {index} is not "
                "allowed: no slashes, blanks or control characters"
            )


def check_upload(upload: Upload) -> None:
    """Refuse an upload whose settings are malformed, before its bytes are looked at.

    Raises:
        BadComponentError: with the name of the setting and what was expected.
    """
    check_name(upload.name)
    if len(upload.digest) != 64 or not set(upload.digest) <= set("0123456789abcdef"):
        raise BadComponentError(
            f"digest {upload.digest!r}: expected SHA-256 as 64 lower-case hex digits"
        )
    settings = upload.env, upload.files, upload.links, upload.read_only
    if sum(map(len, settings)) > SETTINGS_COUNT_MAX:
        raise BadComponentError(
            f"more than {SETTINGS_COUNT_MAX} environment variables, files, links and read-only "
            "functions together"
        )
    for name, value in upload.env.items():
        if not name or "=" in name or "\0" in name + value:
            raise BadComponentError(f"environment variable {name!r}: malformed name or value")
    seen: set[str] = set()
    for file in upload.files:
        if not file.path.startswith("/") or ".." in file.path.split("/") or "\0" in file.path:
            raise BadComponentError(f"file {file.path!r}: expected an absolute path without `..`")
        if file.path in seen:
            raise BadComponentError(f"file {file.path!r}: given twice")
        seen.add(file.path)
    for target in upload.links.values():
        check_name(target)
    try:
        parse_policy(upload.snapshots)
        parse_memory(upload.memory)
        parse_quota(upload.quota)
        if upload.retry:
            parse_retry(upload.retry)
    except (PolicyError, RetryTextError, MemoryTextError, QuotaTextError) as error:
        raise BadComponentError(str(error)) from error
