"""The files of an app's manifest: the topmost one above a folder, and what it includes."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from shem.errors import ManifestError
from shem.manifest.checking import manifest_of
from shem.manifest.schema import Manifest
from shem.manifest.source import Document, problem_at, read_documents

__all__ = ["FILE_NAME", "find_manifest", "read_all"]

FILE_NAME: Final = "shem.yaml"
# Read as well, where there is no `shem.yaml` beside it.
OTHER_NAME: Final = "golem.yaml"
MANIFEST_FILES_MAX: Final = 1_000


def find_manifest(start: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the manifest of the app that the folder `start` belongs to: the topmost one above it.

    SHEM_APP_MANIFEST names one instead.

    Raises:
        ManifestError: there is none.
    """
    if named := environment.get("SHEM_APP_MANIFEST"):
        return Path(named).resolve()
    found = None
    for folder in (start.resolve(), *start.resolve().parents):
        found = _in(folder) or found
    if found is None:
        message = (
            f"no {FILE_NAME} here or in a folder above; `shem app new NAME LANGUAGE` makes an app"
        )
        raise ManifestError([problem_at(start.resolve(), message)])
    return found


def read_all(root: Path) -> list[tuple[Document, Manifest]]:
    """Return all documents of an app: those of `root`, then those of the files it includes.

    Raises:
        ManifestError: with all problems of all files.
    """
    read: list[tuple[Document, Manifest]] = []
    failed: list[ManifestError] = []
    waiting = [root]
    seen = {root.resolve()}
    while waiting:
        file = waiting.pop(0)
        try:
            documents = [(each, manifest_of(each)) for each in read_documents(file)]
        except ManifestError as error:
            failed.append(error)
            continue
        read.extend(documents)
        for each in _included(documents):
            if each.resolve() not in seen:
                seen.add(each.resolve())
                waiting.append(each)
        if len(seen) > MANIFEST_FILES_MAX:
            message = f"includes more than {MANIFEST_FILES_MAX} files"
            raise ManifestError([problem_at(root, message)])
    if failed:
        raise ManifestError([problem for error in failed for problem in error.problems])
    return read


def _in(folder: Path) -> Path | None:
    for name in (FILE_NAME, OTHER_NAME):
        if (folder / name).is_file():
            return folder / name
    return None


def _included(documents: list[tuple[Document, Manifest]]) -> Iterator[Path]:
    for document, manifest in documents:
        for at, pattern in enumerate(manifest.includes):
            try:
                found = sorted(document.file.parent.glob(pattern))
            # NotImplementedError is what pathlib says to patterns that are absolute.
            except (ValueError, NotImplementedError) as error:
                message = f"expected a pattern relative to this file: {error}"
                problem = document.problem(("includes", at), message)
                raise ManifestError([problem]) from error
            if not found and not any(character in pattern for character in "*?["):
                message = f"there is no file {document.file.parent / pattern}"
                raise ManifestError([document.problem(("includes", at), message)])
            yield from found
