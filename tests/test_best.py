"""`tuner best`, and the tuned records that ship with the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_records import _record

import schedules
from schedules import competition, selection
from schedules.hardware import board, core
from tuner import records
from tuner.board.emulator import params
from tuner.cli.best import best, best_verb
from tuner.runs import Layer, Run

SHIPPED = sorted((Path(schedules.__file__).parent / "records").glob("*.jsonl"))
_ONE_THREAD = "-1thread"  # in the names of files


def test_the_fastest_of_each_workload_and_board():
    other = {"name": "rpi4", "emulated": True, "model": 1, "fingerprint": "rpi4/model1"}
    failed = _record(3, costs_s=(), cycles=None, error={"kind": "run", "text": "died"})
    slow, fast, elsewhere = _record(1), _record(2, costs_s=(0.2,)), _record(4, board=other)
    assert best([slow, failed, fast, elsewhere]) == [fast, elsewhere]


def _run(kept: list[str] | None, workloads: list[str]) -> Run:
    """A run that measured a network of these workloads."""
    layers = tuple(Layer(workload, ("layer",), (), None) for workload in workloads)
    tuned = {"cost_s": 1.0, "cycles": None, "max_error": 0.0}
    builds = {"tuned": tuned if kept is None else {**tuned, "tuned": kept}}
    board = _record(1).board
    return Run("now", "tiny", "Tiny", "cortex-a17", board, layers, {}, builds=builds)


def test_what_the_network_was_faster_without_is_left_out():
    record = _record(1)
    workload = record.workload
    assert best([record], [_run([], [workload])]) == []
    assert best([record], [_run([], [workload]), _run([workload], [workload])]) == [record]
    assert best([record], [_run([workload], [workload]), _run([], [workload])]) == []
    # Nothing is known from logs of older versions, or from runs of other convolutions.
    assert best([record], [_run(None, [workload]), _run([], ["another"])]) == [record]


def test_the_verb_prints_records_that_can_be_read_again(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("".join(r.to_json() + "\n" for r in (_record(1), _record(2, costs_s=(0.2,)))))
    printed = CliRunner().invoke(best_verb, [str(log)], catch_exceptions=False).output
    again = tmp_path / "best.jsonl"
    again.write_text(printed)
    assert [record.config["tile"] for record in records.read(again)] == [2]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_records_are_used(path):
    name = path.stem.removesuffix(_ONE_THREAD)
    for record in records.read(path):
        assert record.board["name"] == name
        assert (record.board["threads"] == 1) == path.stem.endswith(_ONE_THREAD)
        # Measured with the figures of today's tables, where the record says with which.
        digest = params.digest(board(name))
        assert record.board.get("tables") in (None, digest)
        workload = competition.from_key(record.workload)
        the_core = core(record.core)
        schedule = competition.get(record.schedule["name"])
        assert record.schedule["version"] == schedule.version, "tune again and ship the result"
        assert record.config in schedule.space(workload, the_core)
        assert competition.choice(workload, the_core) is not None
    firsts = [records.read(each)[0] for each in SHIPPED]
    one_board_a_core = {(record.core, record.board["threads"] == 1) for record in firsts}
    assert len(one_board_a_core) == len(SHIPPED), "two boards' records would mix"


def test_the_fastest_record_of_a_core_wins_and_others_are_passed_over(tmp_path, monkeypatch):
    gemm = {"name": "conv2d_gemm", "version": schedules.get("conv2d_gemm").version}

    def line(mr: int, cost: float, **changes) -> str:
        config = {
            "mr": mr,
            "nr": 8,
            "block": 1,
            "share": "pixels",
            "panel": "packed",
            "parts": 1,
            "tail": 0,
        }
        record = _record(schedule=gemm, config=config, costs_s=(cost,), **changes)
        return record.to_json() + "\n"

    stale = line(4, 0.01).replace('"version": 1', '"version": 0')
    foreign = line(4, 0.01, core="cortex-a72")
    lines = [line(6, 0.3), line(4, 0.2), stale, foreign]
    (tmp_path / "rk3288.jsonl").write_text("".join(lines))
    monkeypatch.setattr(selection, "_RECORDS", tmp_path)
    selection.shipped.cache_clear()
    try:
        workload = schedules.Conv2dWorkload.from_key(json.loads(lines[0])["workload"])
        chosen = schedules.choose(workload, core("cortex-a17"))
        assert chosen is not None and chosen[1]["mr"] == 4
        assert chosen[0].name == "conv2d_gemm"
        with schedules.using({}):
            default = schedules.choose(workload, core("cortex-a17"))
        best_guess = schedules.find(workload, core("cortex-a17"))[0]
        assert default == (best_guess, best_guess.default(workload, core("cortex-a17")))
    finally:
        selection.shipped.cache_clear()
