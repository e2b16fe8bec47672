"""Which guest toolchains are at hand: tests that need one say what they miss."""

import shutil
from pathlib import Path

from shem.build.toolchains import tools_of
from shem.manifest.application import load
from tests.guests import node_tools

__all__ = ["lend_node_packages", "lend_rust_folder", "missing_tools"]

_SCRIPTED = {"javascript", "typescript"}


def missing_tools(folder: Path, language: str) -> str:
    """Return what an app needs and is not there, an empty text if all is."""
    missing = [each for each in tools_of(load(folder / "shem.yaml")) if each.path is None]
    texts = [f"{each.name} is missing: {each.how}" for each in missing]
    if language in _SCRIPTED and node_tools.missing():
        texts.append(node_tools.missing())
    return "; ".join(texts)


def lend_rust_folder(app: Path) -> None:
    """Let an app in Rust use what earlier test runs have compiled of others' crates."""
    shared = node_tools.packages().parents[1] / "rust"
    shared.mkdir(parents=True, exist_ok=True)
    (app / "target").symlink_to(shared, target_is_directory=True)


def lend_node_packages(folder: Path) -> None:
    """Let apps below a folder find the packages that tests have installed."""
    packages = node_tools.packages()
    if packages.is_dir() and shutil.which("node"):
        (folder / "node_modules").symlink_to(packages, target_is_directory=True)
