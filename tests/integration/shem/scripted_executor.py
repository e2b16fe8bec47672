"""An executor process whose guests are Python: everything is real but the engine."""

import sys
from pathlib import Path

import msgspec

# Test modules are no package: they find each other by path.
sys.path.insert(0, str(Path(__file__).parents[2] / "simulation"))
from scripted import ScriptedEngine

from shem.executor import run_process
from shem.settings import ExecutorSettings

if __name__ == "__main__":
    run_process(
        msgspec.json.decode(sys.argv[1], type=ExecutorSettings), lambda *_: ScriptedEngine()
    )
