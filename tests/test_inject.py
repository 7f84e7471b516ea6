"""Every fault is survived: the right message, the right record, the right best."""

import re

import pytest
import small_runs

from tuner import records
from tuner.errors import UserError
from tuner.measure import inject

_TRIALS = 1 + 2 + 16  # whole batches, so that a longer run begins with the same
_LOST = "the connection to the board was lost; tries again"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The search without faults, and the times in its log."""
    path = tmp_path_factory.mktemp("sound") / "log.jsonl"
    search, _ = small_runs.run(path, 100)
    return search, _times(path)


def _times(path):
    return {record.key: (record.costs_s, record.error) for record in records.read(path)}


@pytest.mark.board
def test_faults_that_pass_leave_no_trace_in_the_results(tmp_path, caplog, sound):
    faults = ("slow@batch3", "clock=0.5@trial6", "lost@batch2", "reboot@trial10")
    small_runs.run(tmp_path / "log.jsonl", _TRIALS, faults)
    for pattern in (
        *("injected in trial 2: lost", "injected in trial 10: reboot", _LOST),
        "the network to the board is slow, ",
        r"the board ran at (89\d|900) MHz instead of (179\d|1800): weak power supply, or heat; "
        r"waits 0\.1 s and measures the batch again",
    ):
        assert any(re.match(pattern, text) for text in caplog.messages), (pattern, caplog.messages)
    assert caplog.messages.count(_LOST) >= 2
    times = _times(tmp_path / "log.jsonl")
    assert len(times) == _TRIALS
    assert times.items() <= sound[1].items()


@pytest.mark.board
def test_a_wrong_answer_is_recorded_as_such(tmp_path):
    _, observer = small_runs.run(tmp_path / "log.jsonl", 6, ("wrong@trial5",))
    errors = [record.error for record in records.read(tmp_path / "log.jsonl") if record.error]
    assert [error["kind"] for error in errors] == ["wrong answer"]
    assert observer.new == 6


@pytest.mark.board
def test_a_clock_that_stays_low_ends_the_run(tmp_path, sound):
    path = tmp_path / "log.jsonl"
    with pytest.raises(UserError, match=r"instead of .* still so after 4 waits; .* is kept"):
        small_runs.run(path, _TRIALS, ("clock=0.5@batch2+",))
    # Of the first batch, and right.
    times = _times(path)
    assert times and times.items() <= sound[1].items()


@pytest.mark.board
def test_a_hundred_trials_with_faults_end_with_the_same_best(tmp_path, caplog, sound):
    best = sound[0].best
    faulty, observer = small_runs.run(tmp_path / "faulty.jsonl", 100, ("faults=10%",))
    injected = {text.rsplit(": ")[1] for text in caplog.messages if "injected" in text}
    assert injected == {"clock", "lost", "slow", "reboot"}
    assert observer.new == 100
    assert _times(tmp_path / "faulty.jsonl") == sound[1]
    assert (faulty.best.key, faulty.best.costs_s) == (best.key, best.costs_s)


@pytest.mark.parametrize(
    "spec",
    [
        *("", "clock", "clock@batch3", "clock=2@batch3", "clock=0@batch3", "clock=0.5", "lost"),
        *("lost=1@batch2", "lost@batch0", "lost@batch2+", "melt@batch1", "wrong@layer5"),
        *("faults=10", "faults=200%", "faults=x%"),
    ],
)
def test_what_is_no_fault_is_refused(spec):
    with pytest.raises(UserError, match=r"is no fault; give for example clock=0\.5@batch3"):
        inject.parse([spec], 0)


def test_the_faults_of_a_rate_are_those_of_the_seed():
    kinds = [
        [fault.kind for trial in range(1, 1001) for fault in plan.due(1, trial, False)]
        for plan in (inject.parse(["faults=10%"], seed) for seed in (0, 0, 1))
    ]
    assert kinds[0] == kinds[1] != kinds[2]
    assert all(50 < len(found) < 150 for found in kinds)
