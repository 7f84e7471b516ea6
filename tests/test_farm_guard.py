"""The clock guard of a farm: a trial that met a lowered clock is measured again."""

from __future__ import annotations

import pytest
from test_farm import KEY
from test_farm_tuning import farm_of

from schedules import Conv2dWorkload, hardware
from tuner.errors import UserError
from tuner.measure import Outcome, TrackedBoard, Trial, farm
from tuner.measure.errors import TrialError
from tuner.measure.farm_guard import SessionGuard
from tuner.measure.health import Health
from tuner.search import Space
from tuner.tasks import Task

BOARD = hardware.board("rk3288")
USUAL = Health(BOARD.clock_hz)
LOW = Health(BOARD.clock_hz / 2, temperature_c=81.0)
WORKLOAD = Conv2dWorkload(1, 8, 7, 7, 12, 3, 3, padding=(1, 1, 1, 1))


def _guard(*states: Health) -> SessionGuard:
    """Sees one state after the other; the last one again and again."""
    left = list(states)
    return SessionGuard(BOARD, lambda _: left.pop(0) if len(left) > 1 else left[0])


def _pass(guard: SessionGuard) -> None:
    with guard.watching(None):
        pass


def test_a_board_that_is_well_is_not_bothered(caplog):
    guard = _guard(USUAL, Health(BOARD.clock_hz * 0.99))
    _pass(guard)
    _pass(guard)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([USUAL, LOW], "900 MHz instead of 1800 at 81 C: heat"),
        ([Health(9e8, max_clock_hz=BOARD.clock_hz)], "900 MHz instead of 1800"),
        ([USUAL, Health(BOARD.clock_hz, throttled=0x50000)], "for a moment: weak power supply"),
    ],
)
def test_a_lowered_clock_is_an_error_of_the_trial(states, text):
    with pytest.raises(TrialError, match=text) as raised:
        _pass(_guard(*states))
    assert raised.value.kind == "lowered clock"


def test_a_slow_board_is_known_by_the_others():
    guard = _guard(USUAL, USUAL, LOW)
    _pass(guard)
    with pytest.raises(TrialError, match="900 MHz"):
        _pass(guard)


def test_what_the_firmware_saw_before_the_session_does_not_count():
    _pass(_guard(Health(BOARD.clock_hz, throttled=0x50000)))


def _measure(port: int, guard: SessionGuard):
    places = farm.boards(TrackedBoard("127.0.0.1", port, KEY), None)
    candidate = next(iter(Space(WORKLOAD, BOARD.core).defaults()))
    trial = Trial(0, Task(WORKLOAD, ("layer",), ("bias", "relu")), candidate)
    with farm.FarmMeasurer(BOARD.core.name, places, 1, guard, cool_down_s=0) as measurer:
        [(_, outcome)] = measurer.measure([trial])
    return outcome


class _Farm(farm.FarmMeasurer):
    """Trials meet what `kinds` says, one after the other; "sound" ones of others come between."""

    def __init__(self, *kinds: str) -> None:
        super().__init__("cortex-a17", [], 1, _guard(USUAL), cool_down_s=0)
        self.kinds, self.waits = list(kinds), []
        self._closing.wait = self.waits.append

    def _measure_on_some_board(self, trial):
        while self.kinds[0] == "sound":
            self._session_guard.sound += 1
            self.kinds.pop(0)
        kind = self.kinds.pop(0)
        return Outcome((1.0,)) if kind == "good" else Outcome(error={"kind": kind, "text": "low"})


@pytest.mark.parametrize(
    ("kinds", "waits"),
    [
        (["good"], []),
        (["lowered clock", "good"], [0]),
        # While others are well, that one board is to blame.
        (["sound", "lowered clock"] * 9 + ["good"], [2.0] * 9),
    ],
)
def test_only_a_farm_that_is_slow_as_a_whole_is_left_to_cool_down(kinds, waits):
    with _Farm(*kinds) as measurer:
        [(_, outcome)] = measurer.measure([Trial(0, None, None)])
        assert outcome.costs_s == (1.0,) and measurer.waits == waits


def test_a_farm_that_ends_does_not_wait():
    with _Farm("lowered clock") as measurer:
        measurer._closing.set()
        [(_, outcome)] = measurer.measure([Trial(0, None, None)])
        assert outcome.error["kind"] == "lowered clock" and not measurer.waits


@pytest.mark.board
def test_a_trial_is_measured_again(caplog):
    with farm_of("rk3288", threads=1) as (port, _):
        outcome = _measure(port, _guard(USUAL, LOW, USUAL))
        assert outcome.error is None and outcome.costs_s
        assert "waits 0 s and measures the trial again" in caplog.text
        with pytest.raises(UserError, match=r"900 MHz.*still so after 4 waits; mend that"):
            _measure(port, _guard(USUAL, LOW))
