"""Rib against real workers: the port over the client, components in scope, prompt, tests."""

from shem.scripts.port import CallTrace, WorkerPort
from shem.scripts.scope import worlds

__all__ = ["CallTrace", "WorkerPort", "worlds"]
