"""What the tables and the progress bar say of layers that were measured, failed or were left."""

from __future__ import annotations

import dataclasses
import re

import pytest

from schedules import Conv2dWorkload, hardware
from tuner.measure import BoardInfo
from tuner.records import Record
from tuner.report import tables
from tuner.report.progress import Progress
from tuner.task_search import TaskSearch
from tuner.tasks import Task

_CORE = hardware.core("cortex-a17")
_BOARD = BoardInfo("rk3288", "cortex-a17", True, 1, 1_800_000_000, 4)


def _search(name: str, channels: int) -> TaskSearch:
    workload = Conv2dWorkload(1, channels, 9, 9, 12, 3, 3)
    return TaskSearch(Task(workload, (name,), ("bias", "relu")), _CORE)


def _record(search: TaskSearch, cost_s: float | None, **config) -> Record:
    """A result of the hand-picked config, or of one that differs from it by `config`."""
    candidate = search.space.defaults()[0]
    return Record(
        time="",
        network=None,
        workload=search.task.workload.key,
        core=_CORE.name,
        board=_BOARD.to_record(),
        schedule={"name": candidate.schedule, "version": candidate.version},
        config={**candidate.config, **config},
        costs_s=() if cost_s is None else (cost_s,),
        error={"kind": "run", "text": "died"} if cost_s is None else None,
    )


def _lines(searches: list[TaskSearch]) -> list[str]:
    console = tables.make_console()
    with console.capture() as shown:
        tables.print_layers(console, searches, _CORE, _BOARD)
    return shown.get().splitlines()


@pytest.fixture
def searches() -> list[TaskSearch]:
    """Three layers: measured, failed, and not reached."""
    measured, failed, left = (
        _search(name, channels) for name, channels in (("one", 4), ("two", 8), ("three", 16))
    )
    measured.take(_record(measured, 2e-3))
    measured.take(_record(measured, 1e-3, another=1))
    failed.take(_record(failed, None))
    return [measured, failed, left]


def test_layers_that_failed_and_layers_that_were_not_measured(searches):
    one, two, three = (
        next(line for line in _lines(searches) if line.split()[:1] == [name])
        for name in ("one", "two", "three")
    )
    assert "2.00x" in one
    assert "failed" in two
    assert "not measured" in three


def test_a_sum_that_lacks_layers_says_so(searches):
    assert any(
        "(1 of 3 convolutions measured): 2.000 ms -> 1.000 ms" in line for line in _lines(searches)
    )
    assert any("all layers: 2.000 ms -> 1.000 ms" in line for line in _lines(searches[:1]))


def test_progress_compares_with_the_hand_picked_config_whatever_ends_first():
    search, other = _search("one", 4), _search("two", 8)
    hand_picked = _record(search, 2e-3)
    progress = Progress(4, None, is_shown=False, is_terminal=False)
    # As when both run at the same time and the slower one was started first.
    for record in (_record(search, 1e-3, another=1), hand_picked):
        progress.on_record(search, record, is_new=True)
    # Its hand-picked config failed: nothing to compare with.
    progress.on_record(other, _record(other, None), is_new=True)
    progress.on_record(other, _record(other, 5e-3, another=1), is_new=True)
    assert progress._state() == "layers 6.000 ms, 2.00x as fast as hand-picked, 1 failed"


def test_another_schedule_is_not_the_hand_picked_config():
    search = _search("one", 4)
    record = _record(search, 1e-3)
    assert search.is_hand_picked(record)
    other = dataclasses.replace(record, schedule={"name": "other", "version": 1})
    assert not search.is_hand_picked(other)


def _watch(capsys, monkeypatch, is_terminal: bool, **budget) -> str:
    """Return what is shown of three trials, a failed one among them, half a minute apart."""
    now = [0.0]
    monkeypatch.setattr("tuner.report.progress.time.monotonic", lambda: now[0])
    search = _search("one", 4)
    budget = {"trials": 3, "time_s": None, **budget}
    with Progress(**budget, is_shown=True, is_terminal=is_terminal) as progress:
        for record in (_record(search, 2e-3), _record(search, None, another=1)):
            now[0] += 31.0
            progress.on_record(search, record, is_new=True)
    return capsys.readouterr().err


def test_without_a_terminal_there_are_plain_lines(capsys, monkeypatch):
    shown = _watch(capsys, monkeypatch, is_terminal=False)
    assert "\r" not in shown and "\x1b" not in shown
    assert "1/3 trials, 31 s, layers 2.000 ms, 1.00x as fast as hand-picked" in shown
    assert shown.splitlines()[-1].startswith("2/3 trials, 62 s") and "1 failed" in shown


def test_with_a_terminal_there_is_a_bar_and_messages_go_above_it(capsys, monkeypatch):
    shown = _watch(capsys, monkeypatch, is_terminal=True)
    assert "\r" in shown and "2/3" in shown
    # A line of its own, not in the middle of the bar.
    assert re.search(r"(^|[\r\n])(\x1b\[K|\s)*one: run: died\n", shown)


def test_with_a_time_limit_what_is_left_is_shown(capsys, monkeypatch):
    shown = _watch(capsys, monkeypatch, is_terminal=False, trials=None, time_s=100.0)
    assert "1 trials, 31 s" in shown and "69 s left" in shown


def test_quiet_shows_nothing_but_messages(capsys):
    search = _search("one", 4)
    with Progress(3, None, is_shown=False, is_terminal=False) as progress:
        progress.on_record(search, _record(search, 2e-3), is_new=True)
    assert capsys.readouterr().err == ""
