"""A task with its candidates, and what a run knows of them."""

from __future__ import annotations

from schedules.hardware import Core
from tuner import budget
from tuner.composition import Layers
from tuner.records import Record
from tuner.search import Candidate, Space
from tuner.tasks import Task


class TaskSearch:
    """A task with its candidates and what is known of them; `first` follow the hand-picked."""

    def __init__(self, task: Task, core: Core) -> None:
        self.task = task
        self.space = Space(task.workload, core)
        self.first: list[Candidate] = []
        self.trials = 0
        self.costs_s: list[float] = []
        self.default: Record | None = None
        self.best: Record | None = None

    def take(self, record: Record) -> None:
        """Count a trial; the first one is the hand-picked config."""
        self.trials += 1
        if self.trials == 1:
            self.default = record
        if record.cost_s is not None:
            self.costs_s.append(record.cost_s)
            self.improve(record)

    def improve(self, record: Record) -> None:
        """Make `record` the best, if it is one that works and is faster."""
        if record.cost_s is None:
            return
        if self.best is None or self.best.cost_s is None or record.cost_s < self.best.cost_s:
            self.best = record

    def knows(self, record: Record) -> bool:
        """Whether `record` is of a candidate of this version of the schedules."""
        schedule = record.schedule
        return Candidate(schedule["name"], schedule["version"], record.config) in self.space

    def is_hand_picked(self, record: Record) -> bool:
        """Whether `record` is of the config that a build takes without tuning."""
        default = self.space.defaults()[0]
        config = dict(default.config)
        return (record.schedule["name"], dict(record.config)) == (default.schedule, config)

    @property
    def gain(self) -> float:
        """How much faster the best is than the hand-picked config; infinite if that failed."""
        if (
            self.default is None
            or self.default.cost_s is None
            or not (self.best and self.best.cost_s)
        ):
            return float("inf")
        return self.default.cost_s / self.best.cost_s - 1

    def prospect(self, layers: int, timed: int) -> budget.Prospect:
        """What its further trials may bring; see `budget.Prospect` for the arguments."""
        capacity = len(self.space) - self.trials
        price = self.task.price
        return budget.Prospect(layers, self.costs_s, self.trials, capacity, timed, price)

    @property
    def best_layers(self) -> Layers:
        """Its layers with the best config."""
        return self._layers(self.best)

    @property
    def default_layers(self) -> Layers:
        """Its layers with the hand-picked config."""
        return self._layers(self.default)

    def _layers(self, record: Record | None) -> Layers:
        task = self.task
        if record is None or record.cost_s is None:
            return Layers(task.workload, task.count, None)
        return Layers(task.workload, task.count, record.schedule["name"], record.cost_s)
