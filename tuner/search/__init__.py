"""Search strategies; each module that defines one is imported here, which registers it."""

from tuner.search import evolution, grid, random_search, xgb
from tuner.search.base import Result, Strategy, create, names
from tuner.search.candidate import Candidate, Space

__all__ = [
    "Candidate",
    "Result",
    "Space",
    "Strategy",
    "create",
    "evolution",
    "grid",
    "names",
    "random_search",
    "xgb",
]
