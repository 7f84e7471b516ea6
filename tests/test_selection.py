"""Where a config comes from: `using`, the user's records, shipped ones, neighbours, defaults."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from test_records import _record
from tvm import relax

import schedules
from schedules import Conv2dWorkload, recorded, selection
from schedules.hardware import core
from schedules.testing import workloads

CORE = core("cortex-a17")
GEMM = {"name": "conv2d_gemm", "version": schedules.get("conv2d_gemm").version}
WORKLOAD = Conv2dWorkload(1, 80, 19, 19, 48, 1, 1)
CONFIG = {
    "mr": 12,
    "nr": 4,
    "block": 2,
    "share": "pixels",
    "panel": "packed",
    "parts": 1,
    "tail": 0,
}


def _line(of: Conv2dWorkload = WORKLOAD, config=CONFIG, **changes) -> str:
    values = {"schedule": GEMM, "workload": of.key, "config": config, "costs_s": (0.1,)}
    return _record(**{**values, **changes}).to_json() + "\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a records file; nothing is shipped, and what a test uses is forgotten behind it."""
    monkeypatch.setattr(selection, "shipped", dict)

    def write(*lines: str, name: str = "log.jsonl"):
        path = tmp_path / name
        path.write_text("".join(lines))
        return path

    yield write
    schedules.use()


def _default(workload: Conv2dWorkload):
    best = schedules.find(workload, CORE)[0]
    return best, best.default(workload, CORE)


def _chosen(workload: Conv2dWorkload):
    chosen = schedules.choose(workload, CORE)
    assert chosen is not None
    return chosen[0].name, chosen[1]


def test_a_record_of_the_user_is_used_until_another_file_is(write):
    assert schedules.choose(WORKLOAD, CORE) == _default(WORKLOAD)
    schedules.use(write(_line()))
    assert _chosen(WORKLOAD) == ("conv2d_gemm", CONFIG)
    slow = write(_line(costs_s=(0.2,)), name="slow.jsonl")
    fast = write(_line(config={**CONFIG, "block": 4}), name="fast.jsonl")
    schedules.use(slow, fast)
    assert _chosen(WORKLOAD)[1]["block"] == 4, "the fastest of all files"
    schedules.use()
    assert schedules.choose(WORKLOAD, CORE) == _default(WORKLOAD)


def test_records_of_the_user_come_before_those_shipped(write, monkeypatch):
    ours = recorded.fastest(recorded.read(write(_line(costs_s=(0.01,)), name="shipped.jsonl")))
    monkeypatch.setattr(selection, "shipped", lambda: ours)
    assert _chosen(WORKLOAD)[1]["block"] == 2
    schedules.use(write(_line(config={**CONFIG, "block": 8})))
    assert _chosen(WORKLOAD)[1]["block"] == 8, "though it was measured to be slower"


def _of_threads(threads: int | None, block: int, cost_s: float) -> str:
    record = json.loads(_line(config={**CONFIG, "block": block}, costs_s=(cost_s,)))
    record["board"]["threads"] = threads
    return json.dumps(record) + "\n"


@pytest.mark.parametrize(
    ("threads", "block"), [(1, 1), (2, 4), (4, 4), (None, 4)], ids=["1", "2", "4", "not known"]
)
def test_shipped_records_of_one_thread_serve_one_thread(write, monkeypatch, threads, block):
    path = write(_of_threads(1, 1, 0.4), _of_threads(4, 4, 0.1))
    shipped = recorded.fastest(recorded.read(path))
    monkeypatch.setattr(selection, "shipped", lambda: shipped)
    chosen = schedules.choose(WORKLOAD, CORE, threads)
    assert chosen is not None and chosen[1]["block"] == block


def test_one_thread_gets_no_shipped_record_of_several(write, monkeypatch):
    shipped = recorded.fastest(recorded.read(write(_of_threads(4, 4, 0.1))))
    monkeypatch.setattr(selection, "shipped", lambda: shipped)
    assert schedules.choose(WORKLOAD, CORE, 1) == _default(WORKLOAD)


def test_records_of_the_user_serve_any_number_of_threads(write):
    schedules.use(write(_of_threads(1, 1, 0.4)))
    assert schedules.choose(WORKLOAD, CORE, 4)[1]["block"] == 1
    schedules.use(write(_of_threads(1, 1, 0.4), _of_threads(4, 4, 0.9)))
    assert schedules.choose(WORKLOAD, CORE, 4)[1]["block"] == 4, "but those that fit come first"
    schedules.use(write(_of_threads(None, 8, 0.4)))
    assert schedules.choose(WORKLOAD, CORE, 1)[1]["block"] == 8


@pytest.mark.parametrize(("threads", "mr"), [(1, 4), (4, 12)])
def test_a_build_takes_records_for_the_threads_of_its_target(write, monkeypatch, threads, mr):
    lines = [_of_threads(1, 1, 0.4), _of_threads(4, 4, 0.1)]
    shipped = recorded.fastest(
        recorded.read(write(lines[0].replace('"mr": 12', '"mr": 4'), lines[1]))
    )
    monkeypatch.setattr(selection, "shipped", lambda: shipped)
    data = relax.Var("data", relax.TensorType((1, 80, 19, 19), "float32"))
    builder = relax.BlockBuilder()
    with builder.function("main", [data]):
        weight = relax.const(np.ones(WORKLOAD.weight_shape, np.float32))
        builder.emit_func_output(builder.emit(relax.op.nn.conv2d(data, weight)))
    with schedules.target(CORE.name, threads):
        lowered = relax.transform.LegalizeOps()(builder.get())
    assert f'\\"mr\\": {mr},' in lowered.script(), "the annotation of the convolution"


def test_using_looks_at_no_record(write):
    schedules.use(write(_line()))
    with schedules.using({}):
        assert schedules.choose(WORKLOAD, CORE) == _default(WORKLOAD)
    with schedules.using({WORKLOAD.key: ("conv2d_gemm", {**CONFIG, "block": 1})}):
        assert _chosen(WORKLOAD)[1]["block"] == 1
    assert _chosen(WORKLOAD)[1]["block"] == 2


def test_a_near_workload_gets_the_config_of_its_neighbour(write):
    near = dataclasses.replace(WORKLOAD, co=64)
    nearer = dataclasses.replace(WORKLOAD, co=52)
    schedules.use(write(_line(), _line(nearer, {**CONFIG, "block": 4})))
    assert _chosen(near)[1]["block"] == 4
    assert _chosen(WORKLOAD)[1]["block"] == 2, "its own record"


def test_a_stale_record_does_not_hide_a_slower_one_that_counts(write):
    near = dataclasses.replace(WORKLOAD, co=64)
    stale = _line(config={**CONFIG, "block": 8}, costs_s=(0.01,), schedule={**GEMM, "version": 0})
    schedules.use(write(stale, _line()))
    assert _chosen(WORKLOAD)[1]["block"] == 2
    assert _chosen(near)[1]["block"] == 2


@pytest.mark.parametrize(
    "change",
    [
        {"co": 96},  # twice the size
        {"co": 75, "ci": 120},  # in all
        {"stride": (2, 2)},
        {"kh": 3, "padding": (1, 0, 1, 0)},
        {"groups": 2},
    ],
    ids=str,
)
def test_a_workload_too_far_gets_its_default(write, change):
    schedules.use(write(_line(dataclasses.replace(WORKLOAD, **change))))
    assert schedules.choose(WORKLOAD, CORE) == _default(WORKLOAD)


def test_a_neighbour_whose_config_is_illegal_here_is_passed_over(write):
    small = Conv2dWorkload(1, 80, 3, 3, 48, 1, 1)
    schedules.use(
        write(
            _line(dataclasses.replace(small, co=50), {**CONFIG, "block": 32}),
            _line(dataclasses.replace(small, co=60), {**CONFIG, "block": 2}),
        )
    )
    assert _chosen(small)[1]["block"] == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"core": "cortex-a72"},
        {"schedule": {**GEMM, "version": 0}},
        {"schedule": {"name": "conv2d_of_someone_else", "version": 1}},
        {"config": {**CONFIG, "mr": 5}},
        {"workload": "dense/float32/n1_512/1000"},
        {"costs_s": (), "cycles": None, "error": {"kind": "run", "text": "died"}},
    ],
    ids=str,
)
def test_records_that_do_not_apply_do_no_harm(write, changes):
    schedules.use(write(_line(**changes)))
    assert schedules.choose(WORKLOAD, CORE) == _default(WORKLOAD)


def test_a_torn_line_is_passed_over(write):
    schedules.use(write(_line()[:100], "\n", _line(), _line()[:50]))
    assert _chosen(WORKLOAD)[1]["block"] == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hello\n", r"line 2 of .* is not a record"),
        ('{"v": 1}\n', r"line 2 of .* is not a record"),
        ("[1]\n", r"line 2 of .* is not a record"),
        (json.dumps({**json.loads(_line()), "v": 99}) + "\n", r"line 2 .* newer tuner .*format 99"),
    ],
)
def test_another_file_is_refused_and_changes_nothing(write, line, message):
    schedules.use(write(_line()))
    with pytest.raises(ValueError, match=message):
        schedules.use(write(_line(config={**CONFIG, "block": 8}), line, name="bad.jsonl"))
    with pytest.raises(FileNotFoundError):
        schedules.use("no such file")
    assert _chosen(WORKLOAD)[1]["block"] == 2


@given(one=workloads(), other=workloads())
def test_distance_is_a_distance(one, other):
    apart = selection.distance(one, other)
    assert apart == selection.distance(other, one)
    assert selection.distance(one, one) == 0
    assert apart >= 0
    if apart < math.inf:
        assert (one.kh, one.stride, one.is_depthwise) == (
            other.kh,
            other.stride,
            other.is_depthwise,
        )
