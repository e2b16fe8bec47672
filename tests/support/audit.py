"""Licences of what the lock installs, and known vulnerabilities where a database answers.

    python -m tests.support.audit [--strict]

Exit status 1: a licence that must not be there, a dependency that is locked without a digest, or a
vulnerability; 2, with `--strict`: nobody could be asked for vulnerabilities. `pip-audit` is no
dependency: it asks a database over the network that is not everywhere to be had.
"""

import argparse
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["forbidden", "licences", "unlocked"]

LOCK: Final = Path(__file__).resolve().parents[2] / "requirements.lock"
# What would oblige those who distribute Shem: none of it may be a dependency.
_FORBIDDEN: Final = re.compile(r"\b(?:AGPL|GPL|SSPL|BUSL)", re.IGNORECASE)
_LESSER: Final = re.compile(r"LGPL|Lesser", re.IGNORECASE)
_TIMEOUT_S: Final = 300


def licences() -> dict[str, str]:
    """Return the licence of each locked distribution that is installed."""
    names = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", LOCK.read_text(), re.MULTILINE)
    found: dict[str, str] = {}
    for name in names:
        try:
            about = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            # Locked for another platform.
            continue
        classifiers = [
            each.rpartition(" :: ")[2]
            for each in about.get_all("Classifier") or []
            if each.startswith("License ::")
        ]
        told = about.get("License-Expression") or ", ".join(classifiers) or about.get("License")
        found[name] = (told or "not told").strip().splitlines()[0]
    return found


def forbidden(found: dict[str, str]) -> dict[str, str]:
    """Return those that must not be there."""
    return {
        name: text
        for name, text in found.items()
        if _FORBIDDEN.search(_LESSER.sub("", text)) and " OR " not in text
    }


def unlocked(lock: str) -> list[str]:
    """Return what a lock names without a digest of what is to be installed."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock)
    return [
        entry.split("==", 1)[0]
        for entry in entries
        if "==" in entry and "--hash=sha256:" not in entry
    ]


def vulnerabilities() -> tuple[bool | None, str]:
    """Return whether there are known ones, None if nobody could be asked, and what was said."""
    if importlib.util.find_spec("pip_audit") is None:
        return None, "pip-audit is not installed: .venv/bin/pip install pip-audit"
    tool = [sys.executable, "-m", "pip_audit", "--require-hashes", "-r", str(LOCK)]
    try:
        done = subprocess.run(tool, timeout=_TIMEOUT_S, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return None, f"its database does not answer within {_TIMEOUT_S} s"
    said = done.stdout.strip() or (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
    if done.returncode == 0:
        return False, said
    # It tells what it found as a table on its output, and what hindered it as an error.
    return (True, said) if done.stdout.strip() else (None, said)


def main() -> int:
    """Print and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strict", action="store_true", help="somebody must have been asked")
    is_strict = parser.parse_args().strict
    found = licences()
    for name, text in sorted(found.items()):
        print(f"{name:45} {text[:60]}")
    bad = forbidden(found)
    loose = unlocked(LOCK.read_text())
    print(f"{len(found)} distributions, licences that must not be there: {bad or 'none'}")
    print(f"locked without a digest: {loose or 'none'}")
    vulnerable, said = vulnerabilities()
    if vulnerable is None:
        print(f"known vulnerabilities: NOT LOOKED FOR: {said}")
    else:
        print(f"known vulnerabilities: {said}")
    if bad or loose or vulnerable:
        return 1
    return 2 if vulnerable is None and is_strict else 0


if __name__ == "__main__":
    sys.exit(main())
