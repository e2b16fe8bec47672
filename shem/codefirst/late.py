"""What a component's modules import inside of functions.

A component has the modules that were imported when it was built: the folders of its own modules and
of Python's are not there when it runs. What is imported late, as a habit or against circles, has
therefore to be imported by the build.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["late_imports"]


def late_imports(folder: Path, files: Iterable[Path]) -> list[str]:
    """Return the names of modules that functions of these files import, sorted.

    Modules below `folder` that are among them are looked at, too. Of `from a import b` both `a` and
    `a.b` are meant, since only the import tells what `b` is.
    """
    names: set[str] = set()
    left, seen = list(files), set[Path]()
    while left:
        file = left.pop()
        if file in seen:
            continue
        seen.add(file)
        found = set(_imported_late(file, file.relative_to(folder).parent.parts))
        names |= found
        left += (path for name in found for path in _files_of(folder, name))
    return sorted(names)


def _files_of(folder: Path, module: str) -> Iterator[Path]:
    path = folder.joinpath(*module.split("."))
    candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return (each for each in candidates if each.is_file())


def _imported_late(file: Path, package: tuple[str, ...]) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        # Told by whoever imports it.
        return
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                yield from _named(node, package)


def _named(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (each.name for each in node.names)
        case ast.ImportFrom():
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *([node.module] if node.module else ())))
            if module:
                yield module
            prefix = f"{module}." if module else ""
            yield from (f"{prefix}{each.name}" for each in node.names if each.name != "*")
        case _:
            return
