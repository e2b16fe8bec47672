"""Files with definitions of APIs and security schemes."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

__all__ = ["FilesArgument", "read_object"]

FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help="Definitions in YAML or JSON.", exists=True, dir_okay=False
    ),
]


def read_object(file: Path, expected: str) -> dict[str, object]:
    """Return what a file says; `expected` are the fields that it should have."""
    # Imported late: only definitions are written in YAML. Every JSON document is YAML, too.
    import yaml  # noqa: PLC0415 - see above

    try:
        text = file.read_text(encoding="utf-8")
        _refuse_doubles(file, yaml.compose(text, Loader=yaml.SafeLoader))
        found: Any = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise typer.BadParameter(f"{file}: {error}") from error
    try:
        return msgspec.convert(found, dict[str, object])
    except msgspec.ValidationError as error:
        reason = f"expected an object with {expected}"
        raise typer.BadParameter(f"{file}: {reason}") from error


def _refuse_doubles(file: Path, root: Any) -> None:
    """Refuse a field that stands twice: YAML's reader would let the last one win, unsaid."""
    waiting: list[Any] = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not hasattr(node, "value"):
            continue
        # A node with an anchor is met again wherever its alias stands.
        seen.add(id(node))
        if node.id == "mapping":
            names: set[str] = set()
            for key, value in node.value:
                if key.id == "scalar" and key.value in names:
                    place = f"{file}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
                    raise typer.BadParameter(f'{place}: "{key.value}" stands here twice')
                names.add(str(key.value))
                waiting.append(value)
        elif node.id == "sequence":
            waiting.extend(node.value)
