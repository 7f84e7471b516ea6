"""A tuned network as a folder that runs without this project."""

from tuner.export.bundle import write
from tuner.export.choice import Choice, from_log, shipped

__all__ = ["Choice", "from_log", "shipped", "write"]
