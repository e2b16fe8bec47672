"""Libraries for guests, by language; `python -m shem.guest` prints where the Python ones are."""

from pathlib import Path
from typing import Final

__all__ = ["PYTHON_LIBRARIES"]

# For the `-p` of componentize-py. Nothing in it can be imported by the host.
PYTHON_LIBRARIES: Final = Path(__file__).parent / "python"
