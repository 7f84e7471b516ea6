"""The loop: what it measures first, that it repeats itself, and that a log spares the work."""

import json
import random
import zlib

import pytest

from schedules import FireWorkload, hardware, recorded
from schedules.fire_workload import ONE_FUNCTION
from tuner import networks, search, tasks
from tuner.budget import End
from tuner.errors import UserError
from tuner.measure import BoardInfo, Outcome
from tuner.records import Log
from tuner.task_search import TaskSearch
from tuner.tune import Options, best_configs, tune

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
        self.end = None

    def on_record(self, search, record, is_new):
        self.new += is_new
        self.known += not is_new


def _run(path, measurer=None, strategy="xgb", seed=0, trials=_TRIALS, **options):
    """Tune a network against made-up times; return searches, measurer and observer."""
    core = hardware.core("cortex-a17")
    found = tasks.extract(networks.get("squeezenet").module)
    searches = [TaskSearch(task, core) for task in found]
    measurer, observer = measurer or _Measurer(), _Observer()
    with Log(path) as log:
        options = Options("squeezenet", trials, seed, strategy, **options)
        observer.end = tune(searches, options, _BOARD, log, measurer, observer)
    return searches, measurer, observer


@pytest.mark.parametrize("strategy", search.names())
def test_the_same_seed_gives_the_same_result(tmp_path, strategy):
    tried = []
    for name, seed in (("first", 0), ("second", 0), ("other", 1)):
        path = tmp_path / f"{name}.jsonl"
        best = best_configs(_run(path, strategy=strategy, seed=seed)[0])
        records = [(each.workload, each.schedule, each.config) for each in recorded.read(path)]
        tried.append((best, sorted(records, key=str)))
    assert tried[0] == tried[1]
    assert tried[0][1] != tried[2][1]


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
    searches, measurer, _ = _run(tmp_path / "log.jsonl", trials=26)
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


def test_it_says_why_it_ended(tmp_path):
    _, _, observer = _run(tmp_path / "a.jsonl", trials=50)
    assert observer.end is End.TRIALS
    _, _, observer = _run(tmp_path / "b.jsonl", trials=None, time_s=1e-9)
    assert observer.end is End.TIME and observer.new < 50


class _Flat(_Measurer):
    """A board on which all configs of a layer take the same time."""

    def measure(self, trials):
        for trial in trials:
            yield trial, Outcome(costs_s=(trial.task.workload.macs / 1e9,))


class _OneFunctionIsFast(_Measurer):
    """A board on which fire modules are fast as one function, whatever its config."""

    def measure(self, trials):
        for trial, outcome in super().measure(trials):
            if trial.candidate.schedule == ONE_FUNCTION:
                outcome = Outcome(costs_s=(trial.task.workload.macs / 1e15,))
            yield trial, outcome


def test_no_trials_for_configs_that_the_build_has_no_use_for(tmp_path):
    """The squeezes and the 1x1 of modules that are one function."""
    searches, _, _ = _run(tmp_path / "log.jsonl", _OneFunctionIsFast(), trials=150)
    unused = {
        part
        for each in searches
        if isinstance(each.task.workload, FireWorkload)
        for part in each.task.workload.parts[:2]
    }
    for each in searches:
        if each.task.workload in unused:
            assert each.trials == len(each.space.starts())
    assert sum(each.trials for each in searches) == 150


def test_it_ends_when_further_trials_promise_nothing(tmp_path):
    _, _, observer = _run(tmp_path / "log.jsonl", _Flat(), trials=1000)
    assert observer.end is End.DRY and observer.new < 200
    # Who wants all of them gets all of them.
    _, _, observer = _run(tmp_path / "all.jsonl", _Flat(), trials=250, least_gain=0.0)
    assert observer.end is End.TRIALS and observer.new == 250


def test_more_trials_go_on_where_fewer_ended(tmp_path):
    # Sixteen trials a round, after those that each search begins with.
    spaces = _run(tmp_path / "x.jsonl", trials=26)[0]
    first = sum(len(search.space.starts()) for search in spaces)
    few = first + 2 * 16
    path = tmp_path / "log.jsonl"
    _run(path, trials=few)
    _, _, observer = _run(path, trials=few + 16)
    assert (observer.new, observer.known) == (16, few)


def test_what_another_seed_found_counts_in_the_end(tmp_path):
    path = tmp_path / "log.jsonl"
    runs = [_run(path, seed=seed)[0] for seed in (1, 0)]
    alone = _run(tmp_path / "alone.jsonl", seed=0)[0]
    for first, second, only in zip(*runs, alone, strict=True):
        assert second.best.cost_s == min(first.best.cost_s, only.best.cost_s)
