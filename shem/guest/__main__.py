"""Print where the libraries for Python guests lie."""

import sys

from shem.guest import PYTHON_LIBRARIES

sys.stdout.write(f"{PYTHON_LIBRARIES}\n")
