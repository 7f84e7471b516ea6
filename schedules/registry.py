"""Schedules by name, and which of them serve a workload on a core."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from tvm import te

from .hardware import Core
from .knobs import Config, KnobSpace
from .workload import Conv2dWorkload

if TYPE_CHECKING:
    from .lowering.convolution import Convolution


class Schedule(ABC):
    """A way to compute a class of convolutions on a class of cores.

    One file under `conv2d/` declares a schedule whole; `@schedule(name, version)` registers it.
    """

    name: str
    version: int

    @abstractmethod
    def supports(self, workload: Conv2dWorkload, core: Core) -> bool:
        """Whether the schedule computes `workload` on `core` at all. Raises for none."""

    @abstractmethod
    def space(self, workload: Conv2dWorkload, core: Core) -> KnobSpace:
        """The configs to choose from. Called only for supported workloads."""

    @abstractmethod
    def default(self, workload: Conv2dWorkload, core: Core) -> Config:
        """The hand-picked config: a member of `space`, good without any search."""

    def default_for_one(self, workload: Conv2dWorkload, core: Core) -> Config:
        """The hand-picked config for a build that runs on one thread, which has memory for itself.

        A member of `space`; `default` serves any number of threads.
        """
        return self.default(workload, core)

    def starts(self, workload: Conv2dWorkload, core: Core) -> list[Config]:
        """What a search begins with: the hand-picked config, then distinct ones unlike it."""
        return [self.default(workload, core)]

    @abstractmethod
    def fitness(self, workload: Conv2dWorkload, core: Core) -> float:
        """How well the schedule suits the workload, 0 to 1: orders schedules nobody measured."""

    @abstractmethod
    def packed_shape(self, workload: Conv2dWorkload, config: Config) -> tuple[int, int, int]:
        """Shape of the packed weights; three axes, so that they are never taken for the data."""

    @abstractmethod
    def pack(self, weight: np.ndarray, workload: Conv2dWorkload, config: Config) -> np.ndarray:
        """`weight` (OIHW, float32) in the order the kernels read it. Called at compile time."""

    @abstractmethod
    def pack_compute(
        self, weight: te.Tensor, workload: Conv2dWorkload, config: Config
    ) -> te.Tensor:
        """`pack` as a tensor expression, for weights that are no compile-time constants."""

    @abstractmethod
    def compute(
        self, data: te.Tensor, weight: te.Tensor, workload: Conv2dWorkload, config: Config
    ) -> te.Tensor:
        """The convolution as a tensor expression on packed weights: what it means, not how it runs.

        The last stage is made by `lowering.convolution.annotated`. Relax fuses
        elementwise operators behind it, and the late pass replaces its loops by `emit`. It is
        correct by itself, so a function that the pass cannot handle still computes.
        """

    @abstractmethod
    def emit(self, conv: Convolution, core: Core, config: Config) -> None:
        """Writes the loop nest. Called for the fused function while a module is lowered."""

    def features(self, workload: Conv2dWorkload, core: Core, config: Config) -> dict[str, float]:
        """Facts of the loop nest that predict its speed, named as in `schedules.features.FACTS`."""
        return {}

    def validate(self, workload: Conv2dWorkload, core: Core, config: Config) -> None:
        """Does nothing when `config` computes `workload` on `core`.

        Raises:
            ValueError: the schedule does not serve the workload, or `config` is not in its space;
                the message names the knob, its value and the legal values.
        """
        where = f"{self.name} for {workload.describe()} on {core.name}"
        if not self.supports(workload, core):
            others = ", ".join(each.name for each in find(workload, core)) or "no schedule"
            raise ValueError(f"{where}: not supported; {others} would serve it")
        try:
            self.space(workload, core).validate(config)
        except ValueError as fault:
            raise ValueError(f"{where}: {fault}") from None

    def error_growth(self, config: Config) -> float:
        """How much larger the rounding error may be than that of a plain sum of products."""
        return 1.0


_schedules: dict[str, Schedule] = {}

_ScheduleType = TypeVar("_ScheduleType", bound=type[Schedule])


def schedule(name: str, *, version: int):
    """Class decorator that registers a schedule.

    Args:
        name: `<operator>_<layout>_<method>`, e.g. `conv2d_nchw_spatial_pack`.
        version: raised when a config's meaning changes, or its code so much that times of old
            records no longer say which config is fast.
    """

    def register(cls: _ScheduleType) -> _ScheduleType:
        if name in _schedules:
            raise ValueError(f"two schedules are called {name}")
        cls.name, cls.version = name, version
        _schedules[name] = cls()
        return cls

    return register


def list_schedules() -> list[str]:
    """The names of all schedules, sorted."""
    return sorted(_schedules)


def get(name: str) -> Schedule:
    """The schedule called `name`.

    Raises:
        KeyError: there is none; the message names the closest.
    """
    if name not in _schedules:
        close = difflib.get_close_matches(name, _schedules, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(list_schedules())}"
        raise KeyError(f"no schedule is called {name!r}: {hint}")
    return _schedules[name]


def find(workload: Conv2dWorkload, core: Core) -> list[Schedule]:
    """The schedules that serve `workload` on `core`, the most promising first."""
    fitting = [s for s in map(get, list_schedules()) if s.supports(workload, core)]
    return sorted(fitting, key=lambda s: -s.fitness(workload, core))
