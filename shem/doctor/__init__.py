"""What is well and what is not about a deployment, judged from what can be seen of it."""

from shem.doctor.checks import Expected, Finding, Level, examine

__all__ = ["Expected", "Finding", "Level", "examine"]
