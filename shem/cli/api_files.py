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
        found: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise typer.BadParameter(f"{file}: {error}") from error
    try:
        return msgspec.convert(found, dict[str, object])
    except msgspec.ValidationError as error:
        reason = f"expected an object with {expected}"
        raise typer.BadParameter(f"{file}: {reason}") from error
