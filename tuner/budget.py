"""How many trials each task gets, and when further ones are not worth their time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

# The model is refitted between rounds. The first ones keep a few workers busy; later ones grow
# with what is known, of which a few more results change little.
_FIRST_ROUND = 16
_GROWTH = 10
# Of a task with fewer results nobody knows what more of them would bring. As many again seldom
# bring more than this share of its time.
_TELLING = 4
_HOPE = 0.1


class End(Enum):
    """Why a run ended."""

    TRIALS = "all trials are spent"
    TIME = "the time is up"
    DRY = "as many trials again promise less than 1 % of the layers' time"
    SPACE = "every candidate was tried"


@dataclass(frozen=True)
class Prospect:
    """What is known of a task.

    Attributes:
        layers: layers of the network that its config matters to.
        costs_s: seconds of one layer, of each trial that succeeded.
        trials: trials so far, failed ones too.
        capacity: candidates that were not tried yet.
        timed: layers whose time is not part of another task's; None: all.
        price: a trial takes so many times as long as that of a convolution.
    """

    layers: int
    costs_s: Sequence[float]
    trials: int
    capacity: int
    timed: int | None = None
    price: int = 1

    @property
    def cost_s(self) -> float:
        """Seconds of all timed layers with the best config; 0 when none works."""
        return (self.layers if self.timed is None else self.timed) * min(self.costs_s, default=0.0)

    @property
    def gain_s(self) -> float:
        """Seconds that as many trials again are expected to take off all layers."""
        return self.layers * expected_gain_s(self.costs_s) if self.capacity else 0.0


def expected_gain_s(costs_s: Sequence[float]) -> float:
    """Return by how much as many trials again are expected to improve on the best of `costs_s`.

    It is what the second half of the trials brought, on average over all orders they could have
    had: the k-th best is the best of a random half with probability 2^-k. So a best that stands
    alone promises more, one among many equals promises nothing. It does not hang on the order in
    which luck had it, and needs no model of what is left.
    """
    ranked = sorted(costs_s)
    if not ranked:
        return 0.0
    hope = _HOPE * ranked[0]
    if len(ranked) < _TELLING:
        return hope
    losses = [cost - ranked[0] for cost in ranked]
    expected = sum(loss / 2**k for k, loss in enumerate(losses, start=1))
    expected += losses[-1] / 2 ** len(losses)  # the half in which none of them is
    return min(hope, expected)


def share(trials: int, prospects: Sequence[Prospect]) -> list[int]:
    """Divide `trials` over tasks so that the network gains most for the time they take.

    A task's gain falls with the trials it has: what a doubling brings is spread over ever more of
    them. A task in which nothing works yet counts like an average one.

    Returns:
        Trials of each task; their sum is `trials`, or less when the capacities are smaller.
    """
    working = [prospect.gain_s for prospect in prospects if prospect.costs_s]
    average_s = sum(working) / len(working) if working else 1.0
    gains_s = [p.gain_s if p.costs_s else average_s for p in prospects]
    shares = [0] * len(prospects)

    def promise(i: int) -> float:
        """Of the next trial, for its time."""
        return gains_s[i] / (prospects[i].trials + shares[i] + 1) / prospects[i].price

    for _ in range(trials):
        # One by one to the task that promises most; ties go to the first.
        able = [i for i, p in enumerate(prospects) if shares[i] < p.capacity]
        if not able:
            break
        shares[max(able, key=promise)] += 1
    return shares


class Budget:
    """Ends a run after `trials`, after `time_s`, or when it has become a waste of time.

    What it decides follows from the results alone, but for `time_s`: a run with more trials begins
    like one with fewer.

    Args:
        trials: at most so many; None: no limit.
        time_s: wall seconds from now; None: no limit.
        least_gain: go on while as many trials again promise this share of the layers' time.

    Attributes:
        end: why it ended, None before that.
    """

    def __init__(
        self,
        trials: int | None,
        time_s: float | None,
        least_gain: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trials = trials
        self._time_s = time_s
        self._least_gain = least_gain
        self._clock = clock
        self._start_s = self._round_start_s = clock()
        self._done = 0
        self._measured = 0
        self._measured_s = 0.0
        self.end: End | None = None

    def note(self, trials: int, measured: int) -> None:
        """Count the trials of a round that has ended; `measured` of them were not in the log."""
        now_s = self._clock()
        if measured:
            self._measured += measured
            self._measured_s += now_s - self._round_start_s
        self._round_start_s = now_s
        self._done += trials

    def allow(self, wanted: int) -> int:
        """Return how many of the `wanted` trials can be made; 0 at the end."""
        if wanted < 1:
            return 0
        size = wanted
        if self._trials is not None:
            size = min(size, self._trials - self._done)
            if size < 1:
                self.end = End.TRIALS
        if self._time_s is not None and size >= 1:
            left_s = self._time_s - (self._clock() - self._start_s)
            if self._measured:
                size = min(size, int(left_s / self._measured_s * self._measured))
            if left_s <= 0 or size < 1:
                self.end = End.TIME
        return 0 if self.end else size

    def next_round(self, prospects: Sequence[Prospect]) -> list[int]:
        """Return the trials of each task in the next round; none at the end."""
        nothing = [0] * len(prospects)
        if self.end is not None:
            return nothing
        if not any(prospect.capacity for prospect in prospects):
            self.end = End.SPACE
            return nothing
        size = self.allow(max(_FIRST_ROUND, self._done // _GROWTH))
        if not size:
            return nothing
        cost_s = sum(prospect.cost_s for prospect in prospects)
        gain_s = sum(prospect.gain_s for prospect in prospects)
        if cost_s and gain_s < self._least_gain * cost_s:
            self.end = End.DRY
            return nothing
        return share(size, prospects)
