"""Write the WIT and the entry modules of a component that is a Python class.

    python -m shem.codefirst FILE --package NS:NAME --wit FOLDER --entry FOLDER

Runs in a process of its own, since it imports the user's module. Prints nothing but errors; leaves
with status 1 on one.
"""

import argparse
import importlib.abc
import importlib.machinery
import keyword
import sys
import traceback
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from shem.build.wit_sources import write_files
from shem.codefirst.description import describe
from shem.codefirst.late import late_imports
from shem.codefirst.text import entry_modules, wit_text
from shem.errors import BuildError
from shem.guest import PYTHON_LIBRARIES
from wit.errors import WitError
from wit.text.parser import parse
from wit.text.printer import print_file
from wit.text.resolver import resolve

# What exists in guests alone: imported here, it has whatever is asked of it.
_GUEST_ONLY: Final = ("wit_world", "shem_clients", "componentize_py_types", "shem_loop")


class _Anything(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _GuestModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname.partition(".")[0] not in _GUEST_ONLY:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Anything(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        del module


def main(arguments: Sequence[str]) -> int:
    """Write the WIT and the entry modules of a component; return the exit status."""
    parser = argparse.ArgumentParser(prog="shem.codefirst")
    parser.add_argument("file", type=Path)
    parser.add_argument("--package", required=True)
    parser.add_argument("--wit", type=Path, required=True)
    parser.add_argument("--entry", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        _generate(options.file, options.package, options.wit, options.entry)
    except (BuildError, WitError) as error:
        sys.stderr.write(f"{options.file}: {error}\n")
        return 1
    return 0


def _generate(file: Path, package: str, wit: Path, entry: Path) -> None:
    sys.path[:0] = [str(file.parent.resolve()), str(PYTHON_LIBRARIES)]
    sys.meta_path.insert(0, _GuestModules())
    module = _imported(file)
    described = describe(module, importlib.import_module("shem_component"))
    text = wit_text(described, package)
    tree = parse(text, f"{package} (made from {file})")
    resolve([[tree]])
    write_files(wit, {"world.wit": print_file(tree)})
    entry.mkdir(parents=True, exist_ok=True)
    late = late_imports(file.parent.resolve(), _own_files(file.parent.resolve()))
    for name, content in entry_modules(described, module.__name__, late).items():
        path = entry / name
        if not path.is_file() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")


def _own_files(folder: Path) -> list[Path]:
    """Return the files below a folder that have been imported."""
    files = [Path(each) for module in sys.modules.values() if (each := _file_of(module))]
    return [each for each in files if each.is_relative_to(folder)]


def _file_of(module: types.ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) and file.endswith(".py") else None


def _imported(file: Path) -> types.ModuleType:
    if not file.is_file():
        raise BuildError("there is no such file")
    if file.stem in {"app", *sys.stdlib_module_names}:
        raise BuildError(f'a module of a component cannot be called "{file.stem}"')
    if not file.stem.isidentifier() or keyword.iskeyword(file.stem):
        raise BuildError(f'"{file.stem}" is no name of a Python module: it cannot be imported')
    try:
        return importlib.import_module(file.stem)
    except Exception as error:
        lines = traceback.format_exception_only(error)
        frames = traceback.extract_tb(error.__traceback__)
        inside = [each for each in frames if Path(each.filename) == file.resolve()]
        place = f" (line {inside[-1].lineno})" if inside else ""
        raise BuildError(f"cannot be imported{place}: {''.join(lines).strip()}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
