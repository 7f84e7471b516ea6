"""`python -m benchmarks scaling`: what is run, and what is shown of it."""

from __future__ import annotations

import json

import bench_command
import pytest

from benchmarks import scaling
from schedules import hardware
from tuner import networks, tasks
from tuner.task_search import TaskSearch

ROW = scaling.Row("space", 1, None, 100, trials=8, wall_s=4.0, search_s=0.5, build_s=1, run_s=0.1)


def test_more_workloads_more_boards_and_larger_spaces():
    board = hardware.board("rk3288")
    found = tasks.extract(networks.get("squeezenet").module)
    plan = scaling.sweeps(found, board)
    by_sweep = {sweep: [each[1:] for each in plan if each[0] == sweep] for sweep, _, _ in plan}
    assert [len(chosen) for chosen, _ in by_sweep["workloads"]][-1] == len(found)
    assert [boards for _, boards in by_sweep["boards"]] == [1, 2, 4]
    assert len({tuple(task.name for task in chosen) for chosen, _ in by_sweep["boards"]}) == 1
    sizes = [len(TaskSearch(chosen[0], board.core).space) for chosen, _ in by_sweep["space"]]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_one_workload_is_enough():
    board = hardware.board("rk3288")
    found = tasks.extract(networks.get("squeezenet").module)[:1]
    assert all(chosen == found for _, chosen, _ in scaling.sweeps(found, board))


@pytest.mark.parametrize("as_json", [True, False])
def test_every_run_is_a_row(capsys, monkeypatch, as_json):
    monkeypatch.setattr(scaling, "run", lambda *_: ROW)
    arguments = ["scaling", "--target", "rk3288", *(["--json"] if as_json else [])]
    code, out, _ = bench_command.run(capsys, *arguments)
    assert code == 0
    if as_json:
        document = json.loads(out)
        assert document["host_cores"] and document["trials_a_workload"] == 8
        assert {row["trials_a_second"] for row in document["rows"]} == {2}
    else:
        assert "wall time of a host of" in out and "emulated" in out


@pytest.mark.board
def test_a_farm_measures_every_trial(monkeypatch):
    board = hardware.board("rk3288")
    smallest = min(
        tasks.extract(networks.get("squeezenet").module), key=lambda task: task.workload.macs
    )
    with scaling.tqdm(disable=True) as bar:
        row = scaling.run("boards", [smallest], board, 2, 2, bar)
    assert row.trials == 2 and row.boards == 2
    assert 0 < row.search_s < row.wall_s and row.build_s > 0 and row.run_s > 0
