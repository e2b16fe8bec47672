"""Commits as any outsider reads them: by what docs/MESSAGES.md says, without a line of Shem.

What is wrong with a log is not raised but listed, so that one run shows all of it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import zstandard
from msgspec import Struct, field

__all__ = ["Entry", "Log", "Message", "assemble"]

_HASH_CHARACTERS = 32


class Message(Struct, frozen=True):
    """A message of a `.log` subject."""

    subject: str
    sequence: int
    headers: Mapping[str, str]
    data: bytes


class Entry(Struct, frozen=True):
    """An entry, with its index in the log and the stream sequence of its commit."""

    index: int
    sequence: int
    body: dict[str, Any]

    @property
    def type(self) -> str:
        """The entry's type name."""
        return str(self.body["type"])


class Log(Struct):
    """The log of one worker and what is wrong with it as a chain of commits."""

    worker: str
    entries: list[Entry] = field(default_factory=list[Entry])
    faults: list[str] = field(default_factory=list[str])
    commits: int = 0
    hash: str = ""
    invoked: int = 0
    control: int = 0


def assemble(messages: Iterable[Message]) -> dict[str, Log]:
    """Return the logs by worker, from the messages of many in stream order."""
    logs: dict[str, Log] = {}
    for message in messages:
        worker = message.subject.split(".")[-2]
        _append(logs.setdefault(worker, Log(worker=worker)), message)
    return logs


def _append(log: Log, message: Message) -> None:
    headers, at = message.headers, f"commit at sequence {message.sequence}"
    body = message.data
    if headers.get("Shem-Encoding") == "zstd":
        body = zstandard.decompress(body)
    try:
        commit: dict[str, Any] = json.loads(body)
        entries: list[dict[str, Any]] = commit["entries"]
        first = int(commit["first"])
        types = [str(entry["type"]) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        log.faults.append(f"{at} is no commit: {error!r}")
        return
    log.faults += [f"{at}: {fault}" for fault in _chain_faults(log, headers, commit, body)]
    log.faults += [f"{at}: {fault}" for fault in _header_faults(headers, commit, types)]
    expected = log.entries[-1].index + 1 if log.entries else 1
    if first != expected:
        log.faults.append(f"{at} begins with index {first}, expected {expected}")
    log.entries += [
        Entry(index, message.sequence, entry) for index, entry in enumerate(entries, first)
    ]
    log.commits += 1
    log.hash = headers.get("Shem-Hash", "")
    log.invoked, log.control = int(commit["invoked"]), int(commit["control"])


def _chain_faults(
    log: Log, headers: Mapping[str, str], commit: dict[str, Any], body: bytes
) -> Iterable[str]:
    computed = hashlib.sha256(body).hexdigest()[:_HASH_CHARACTERS]
    if headers.get("Shem-Hash") != computed:
        yield f"Shem-Hash is {headers.get('Shem-Hash')}, the body has {computed}"
    if commit.get("previous") != log.hash:
        yield f"follows {commit.get('previous')!r}, but before it stands {log.hash!r}"
    for name, before in (("invoked", log.invoked), ("control", log.control)):
        if int(commit[name]) < before:
            yield f"the watermark {name} goes back from {before} to {commit[name]}"


def _header_faults(
    headers: Mapping[str, str], commit: dict[str, Any], types: list[str]
) -> Iterable[str]:
    counts: dict[str, int] = {}
    for name in types:
        counts[name] = counts.get(name, 0) + 1
    expected = {
        "Shem-First": str(commit["first"]),
        "Shem-Last": str(commit["first"] + len(types) - 1),
        "Shem-Types": ",".join(n if many == 1 else f"{n}*{many}" for n, many in counts.items()),
        "Shem-Invoked": str(commit["invoked"]),
        "Shem-Control": str(commit["control"]),
        "Shem-Sent": str(commit["sent"]),
    }
    for name, value in expected.items():
        if headers.get(name) != value:
            yield f"{name} is {headers.get(name)!r}, the body says {value!r}"
