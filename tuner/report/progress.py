"""Progress bars, of a network and of an order search; the only module that knows tqdm."""

from __future__ import annotations

import logging
import sys
import time
from fractions import Fraction
from types import TracebackType

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from tuner.composition import Layers, total_s
from tuner.records import Record
from tuner.report.units import format_duration, format_time
from tuner.task_search import TaskSearch

_logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 30


class Progress:
    """Shows each trial as it ends; use as a context manager.

    Log messages printed meanwhile go above the bar. Without a terminal there is a plain line every
    half minute instead of a moving bar.

    Args:
        trials: at most so many are going to come; None: nobody knows.
        time_s: seconds after which none comes any more; None: nobody knows.
    """

    def __init__(
        self, trials: int | None, time_s: float | None, is_shown: bool, is_terminal: bool
    ) -> None:
        self._trials = trials
        self._time_s = time_s
        self._has_lines = is_shown and not is_terminal
        self._bar = tqdm(
            total=trials, unit="trial", disable=not (is_shown and is_terminal), dynamic_ncols=True
        )
        self._redirect = logging_redirect_tqdm()
        self._start_s = self._line_s = time.monotonic()
        # By workload: with the hand-picked config, and the best.
        self._hand_picked: dict[str, Layers] = {}
        self._best: dict[str, Layers] = {}
        self._done = self._failed = 0

    def __enter__(self) -> Progress:
        self._redirect.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
        self._redirect.__exit__(kind, error, trace)
        if self._has_lines and self._done:
            self._print_line()

    def on_record(self, search: TaskSearch, record: Record, is_new: bool) -> None:
        """Count a trial and show the sum of the best layers so far."""
        self._done += 1
        if record.cost_s is not None:
            task, key = search.task, record.workload
            layers = Layers(task.workload, task.count, record.schedule["name"], record.cost_s)
            if search.is_hand_picked(record):
                self._hand_picked[key] = layers
            if key not in self._best or layers.cost_s < self._best[key].cost_s:
                self._best[key] = layers
        elif is_new and record.error is not None:
            self._failed += 1
            _logger.warning(
                "%s: %s: %s",
                search.task.name,
                record.error["kind"],
                record.error["text"].splitlines()[-1] if record.error["text"] else "",
            )
        self._bar.set_postfix_str(self._state(), refresh=False)
        self._bar.update()
        if self._has_lines and time.monotonic() - self._line_s >= _SECONDS_BETWEEN_LINES:
            self._print_line()

    def _print_line(self) -> None:
        self._line_s = time.monotonic()
        elapsed = format_duration(self._line_s - self._start_s)
        total = "" if self._trials is None else f"/{self._trials}"
        print(f"{self._done}{total} trials, {elapsed}, {self._state()}", file=sys.stderr)

    def _state(self) -> str:
        best_s = total_s(list(self._best.values()))
        start_s = total_s(list(self._hand_picked.values()))
        # What has no start cannot be compared with it.
        compared_s = total_s([self._best[workload] for workload in self._hand_picked])
        gain = f", {start_s / compared_s:.2f}x as fast as hand-picked" if compared_s else ""
        failed = f", {self._failed} failed" if self._failed else ""
        left = ""
        if self._time_s is not None:
            left_s = max(0.0, self._start_s + self._time_s - time.monotonic())
            left = f", {format_duration(left_s)} left"
        return f"layers {format_time(best_s)}{gain}{failed}{left}"


class OrderProgress:
    """The search of one tile's instruction order; use as a context manager."""

    _ORDERS_BETWEEN_UPDATES = 1000

    def __init__(self, tile: str, evaluations: int, products: int) -> None:
        self._products = products
        self._bar = tqdm(desc=tile, total=evaluations, unit="order", disable=None, leave=False)
        self._done = 0

    def __enter__(self) -> OrderProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def on_step(self, best_cycles: Fraction) -> None:
        """Count an order; `best_cycles` of a turn are the fewest so far."""
        self._done += 1
        if self._done % self._ORDERS_BETWEEN_UPDATES == 0:
            self._bar.set_postfix_str(f"best {float(best_cycles / self._products):.3f}")
            self._bar.update(self._ORDERS_BETWEEN_UPDATES)
