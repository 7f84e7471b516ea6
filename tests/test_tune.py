"""The loop: what it measures first, that it repeats itself, and that a log spares the work."""

import json
import random
import zlib

import pytest

from schedules import hardware
from tuner import networks, search, tasks
from tuner.errors import UserError
from tuner.measure import BoardInfo, Outcome
from tuner.records import Log
from tuner.tune import Options, TaskSearch, best_configs, tune

_BOARD = BoardInfo("rk3288", "cortex-a17", True, 1, 1_800_000_000, 4)
_TRIALS = 80


class _Measurer:
    """Makes up a time for each candidate, and hands outcomes back in any order."""

    def __init__(self, stop_after: int | None = None, always_fails: bool = False) -> None:
        self.measured: list[str] = []
        self._stop_after = stop_after
        self._always_fails = always_fails

    def measure(self, trials):
        shuffled = list(trials)
        random.shuffle(shuffled)
        for trial in shuffled:
            if len(self.measured) == self._stop_after:
                raise KeyboardInterrupt
            key = f"{trial.task.workload.key} {trial.candidate.key}"
            self.measured.append(key)
            noise = zlib.crc32(key.encode())
            if self._always_fails or noise % 11 == 0:
                yield trial, Outcome(error={"kind": "run", "text": "made up"})
            else:
                yield trial, Outcome(costs_s=(trial.task.workload.macs * (1 + noise % 997) / 1e12,))


class _Observer:
    def __init__(self) -> None:
        self.new = self.known = 0

    def on_record(self, search, record, is_new):
        self.new += is_new
        self.known += not is_new


def _run(path, measurer=None, strategy="xgb", seed=0, trials=_TRIALS):
    """Tune a network against made-up times; return searches, measurer and observer."""
    core = hardware.core("cortex-a17")
    found = tasks.extract(networks.get("squeezenet").module)
    searches = [TaskSearch(task, core) for task in found]
    measurer, observer = measurer or _Measurer(), _Observer()
    with Log(path) as log:
        options = Options("squeezenet", trials, seed, strategy)
        tune(searches, options, _BOARD, log, measurer, observer)
    return searches, measurer, observer


@pytest.mark.parametrize("strategy", search.names())
def test_the_same_seed_gives_the_same_result(tmp_path, strategy):
    runs = [_run(tmp_path / f"{i}.jsonl", strategy=strategy)[0] for i in range(2)]
    assert best_configs(runs[0]) == best_configs(runs[1])
    other = _run(tmp_path / "other.jsonl", strategy=strategy, seed=1)[0]
    assert best_configs(runs[0]) != best_configs(other)


@pytest.mark.parametrize("strategy", search.names())
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(tmp_path, strategy):
    whole, measurer, observer = _run(tmp_path / "whole.jsonl", strategy=strategy)
    assert (observer.new, observer.known) == (_TRIALS, 0)

    path = tmp_path / "interrupted.jsonl"
    first = _Measurer(stop_after=50)
    with pytest.raises(KeyboardInterrupt):
        _run(path, first, strategy)
    resumed, second, observer = _run(path, strategy=strategy)
    assert (observer.new, observer.known) == (_TRIALS - 50, 50)
    assert not set(first.measured) & set(second.measured)
    assert set(first.measured) | set(second.measured) == set(measurer.measured)
    assert best_configs(resumed) == best_configs(whole)


def test_hand_picked_configs_come_first(tmp_path):
    searches, measurer, _ = _run(tmp_path / "log.jsonl", trials=18)
    expected = {
        f"{s.task.workload.key} {s.space.defaults()[0].key}" for s in searches if len(s.space)
    }
    assert set(measurer.measured) == expected
    for s in searches:
        assert s.default is not None
        assert dict(s.default.config) == dict(s.space.defaults()[0].config)


def test_the_best_is_never_worse_than_the_hand_picked(tmp_path):
    searches, _, observer = _run(tmp_path / "log.jsonl")
    assert observer.new == _TRIALS
    for s in searches:
        if s.default.cost_s is not None:
            assert s.best.cost_s <= s.default.cost_s


def test_fewer_trials_than_layers(tmp_path):
    searches, _, observer = _run(tmp_path / "log.jsonl", trials=3)
    assert observer.new == 3
    assert len(best_configs(searches)) <= 3


def test_a_run_in_which_nothing_works_ends_at_once(tmp_path):
    measurer = _Measurer(always_fails=True)
    with pytest.raises(UserError, match=r"in a row failed.*made up.*doctor --target rk3288"):
        _run(tmp_path / "log.jsonl", measurer)
    assert len(measurer.measured) < _TRIALS


def test_a_short_run_in_which_nothing_works_is_an_error_too(tmp_path):
    with pytest.raises(UserError, match="3 trials in a row failed"):
        _run(tmp_path / "log.jsonl", _Measurer(always_fails=True), trials=3)


@pytest.mark.parametrize("kind, again", [("run timeout", 1), ("build timeout", 1), ("run", 0)])
def test_what_ran_out_of_time_is_measured_again(tmp_path, kind, again):
    path = tmp_path / "log.jsonl"
    _run(path, trials=3)
    first, *others = path.read_text().splitlines()
    failed = {**json.loads(first), "costs_s": [], "error": {"kind": kind, "text": "made up"}}
    path.write_text("\n".join([json.dumps(failed), *others, ""]))
    _, _, observer = _run(path, trials=3)
    assert (observer.new, observer.known) == (again, 3 - again)


def test_networks_that_share_a_log_do_not_share_times_of_other_steps(tmp_path):
    path = tmp_path / "log.jsonl"
    _run(path, trials=3)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    text = [json.dumps({**line, "epilogue": ["bias"]}) + "\n" for line in lines]
    path.write_text("".join(text))
    _, _, observer = _run(path, trials=3)
    assert (observer.new, observer.known) == (3, 0)
