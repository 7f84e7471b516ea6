"""Tests for schedules, of this package and of others.

    from schedules.testing import ScheduleConformance

    class TestMine(ScheduleConformance):
        schedule = "my_schedule"

is a pytest suite of everything that a schedule promises; `check_schedule` is the same without
pytest and random shapes. See docs/write-a-schedule.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .checks import NotConforming, check_result, check_schedule
from .problems import Check, Problem, WrongAnswer, problem
from .runners import Case, Runner, run_on_host
from .shapes import SHAPES

if TYPE_CHECKING:
    from .conformance import ScheduleConformance
    from .strategies import workloads

__all__ = [
    "SHAPES",
    "Case",
    "Check",
    "NotConforming",
    "Problem",
    "Runner",
    "ScheduleConformance",
    "WrongAnswer",
    "check_result",
    "check_schedule",
    "problem",
    "run_on_host",
    "workloads",
]

_NEED_HYPOTHESIS = {"ScheduleConformance": "conformance", "workloads": "strategies"}


def __getattr__(name: str) -> Any:
    """Imports what needs pytest and hypothesis, on which the package itself does not depend."""
    if name not in _NEED_HYPOTHESIS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        module = importlib.import_module(f"{__name__}.{_NEED_HYPOTHESIS[name]}")
    except ModuleNotFoundError as error:
        if error.name not in ("hypothesis", "pytest"):
            raise
        raise ImportError(
            f"schedules.testing.{name} needs {error.name}, which is not installed: "
            "pip install 'tvm-arm-schedules[testing]', or pip install pytest hypothesis"
        ) from error
    return getattr(module, name)
