"""AutoTVM's logs: what maps, what does not and why, and that tuning tries it first.

The lines are written here, after the format that tvm/autotvm/record.py documents.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest
import test_tune
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import _assert_refused, _run

from schedules import Conv2dWorkload, hardware
from tuner import autotvm, networks, starts, tasks
from tuner.errors import UserError
from tuner.records import Log
from tuner.task_search import TaskSearch
from tuner.tune import Options, tune

CORE = hardware.core("cortex-a17")
SPATIAL, DEPTHWISE = (
    "conv2d_nchw_spatial_pack.arm_cpu",
    "depthwise_conv2d_nchw_spatial_pack.arm_cpu",
)
# A layer of MobileNet; AutoTVM's tiles had to divide the map.
LAYER = Conv2dWorkload(1, 64, 56, 56, 128, 1, 1)


def _line(tile=(4, 1, 8), cost=0.01, task=SPATIAL, workload=LAYER, **changes) -> dict:
    """Return a line of format 0.2; `tile` is the inner extent of tile_co, tile_oh, tile_ow."""
    depthwise = task == DEPTHWISE
    kernel = (workload.co, 1 if depthwise else workload.ci, workload.kh, workload.kw)
    knobs = zip(("tile_co", "tile_oh", "tile_ow"), tile, strict=True)
    line = {
        "input": [
            "llvm -keys=arm_cpu -device=arm_cpu -mtriple=armv7l-linux-gnueabihf",
            task,
            [
                ["TENSOR", [workload.n, workload.ci, workload.h, workload.w], "float32"],
                ["TENSOR", list(kernel), "float32"],
                list(workload.stride),
                list(workload.padding),
                list(workload.dilation),
                "float32",
            ],
            {},
        ],
        "config": {
            "index": 17,
            "code_hash": None,
            "entity": [
                *[[knob, "sp", [-1, inner]] for knob, inner in knobs],
                ["reorder_0", "re", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
                ["ann_reduce", "an", ["unroll", "none"]],
                ["ann_spatial", "an", ["unroll", "unroll", "vec"]],
            ],
        },
        "result": [[cost, 2 * cost], 0, 1.5, 1600000000.0],
        "version": 0.2,
        "tvm_version": "0.8.0",
    }
    return {**line, **changes}


def _log(tmp_path, *lines):
    path = tmp_path / "autotvm.log"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n")
    return path


def test_the_tile_of_spatial_pack_maps(tmp_path):
    imported = autotvm.read(_log(tmp_path, _line((4, 2, 4))), CORE, 3)
    (start,) = imported.starts
    assert start.workload == LAYER.key
    assert start.schedule["name"] == "conv2d_nchw_spatial_pack"
    assert start.config == {"mr": 4, "vh": 2, "vw": 4, "block": "tile"}
    assert start.origin["cost_s"] == 0.01 and "armv7l" in start.origin["target"]


def test_the_tile_of_depthwise_maps_without_its_channels(tmp_path):
    workload = Conv2dWorkload(1, 64, 112, 112, 64, 3, 3, (2, 2), (1, 1, 1, 1), groups=64)
    (start,) = autotvm.read(
        _log(tmp_path, _line((8, 1, 8), task=DEPTHWISE, workload=workload)), CORE, 3
    ).starts
    assert (start.workload, start.config) == (workload.key, {"vh": 1, "vw": 8})


@pytest.mark.parametrize("padding", [[0, 0], 0, [0, 0, 0, 0]])
def test_every_way_to_write_padding(tmp_path, padding):
    line = _line()
    line["input"][2][3] = padding
    assert autotvm.read(_log(tmp_path, line), CORE, 3).starts[0].workload == LAYER.key


def test_the_fastest_are_kept_once_each_in_order(tmp_path):
    lines = [_line((4, 1, 4), 0.4), _line((4, 1, 8), 0.2), _line((8, 1, 4), 0.3)]
    imported = autotvm.read(_log(tmp_path, *lines, _line((4, 1, 8), 0.1)), CORE, 2)
    assert [(s.config["mr"], s.config["vw"]) for s in imported.starts] == [(4, 8), (8, 4)]
    assert [s.origin["cost_s"] for s in imported.starts] == [0.1, 0.3]
    assert imported.mapped == imported.lines == 4


def _changed(change) -> dict:
    line = _line()
    change(line)
    return line


def _set_dtypes(line):
    for tensor in line["input"][2][:2]:
        tensor[2] = "int8"
    line["input"][2][5] = "int32"


NOT_MAPPED = {
    "has no such tile on cortex-a17": _line((16, 1, 7)),
    "no schedule like conv2d_nchw_winograd.arm_cpu": _line(task="conv2d_nchw_winograd.arm_cpu"),
    "failed when AutoTVM measured it": _line(result=[[1e9], 4, 10.0, 1600000000.0]),
    "format 0.1, only 0.2": {"i": [], "r": [], "v": 0.1},
    "sums of int8 in int32": _changed(_set_dtypes),
    "does not serve such a convolution": _line(
        workload=Conv2dWorkload(1, 512, 3, 3, 64, 1, 1)  # too narrow
    ),
    "tile_co cuts its axis into 3": _changed(
        lambda line: line["config"]["entity"][0].__setitem__(2, [-1, 2, 4])
    ),
}


@pytest.mark.parametrize("reason", NOT_MAPPED)
def test_what_does_not_map_is_counted_by_reason(tmp_path, reason):
    imported = autotvm.read(
        _log(tmp_path, NOT_MAPPED[reason], _line(), NOT_MAPPED[reason]), CORE, 3
    )
    assert len(imported.starts) == 1
    assert list(imported.left_out.values()) == [2]
    assert reason in next(iter(imported.left_out))


@pytest.mark.parametrize(
    "broken",
    [
        json.dumps(_line())[:100],
        "not JSON",
        "[]",
        "3",
        json.dumps({"v": 1, "workload": LAYER.key}),
        json.dumps(_line(input=["llvm", SPATIAL, [], {}])),
        json.dumps(_line(result=[[], 0, 0.0, 0.0])),
        json.dumps(_line(result=[[float("nan")], 0, 0.0, 0.0])),
        json.dumps(_line(config={"entity": []})),
        json.dumps(_line(config={"entity": [["tile_co", "sp"]]})),
    ],
)
def test_a_broken_line_is_named(tmp_path, capsys, broken):
    path = _log(tmp_path, _line(), "", broken)
    result = _run(capsys, "import-autotvm", str(path), "--target", "rk3288")
    _assert_refused(result, "line 3 of", str(path), "not a record of AutoTVM")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 600), st.text(max_size=4), st.integers(0, 20))
def test_damage_is_refused_or_harmless(tmp_path_factory, at, inserted, cut):
    text = json.dumps(_line())
    path = tmp_path_factory.getbasetemp() / "damaged.log"
    path.write_text(text[:at] + inserted + text[at + cut :], encoding="utf-8")
    try:
        imported = autotvm.read(path, CORE, 3)
    except UserError as error:
        assert "line " in str(error)
    else:
        assert imported.mapped + sum(imported.left_out.values()) == imported.lines


def test_the_verb_writes_what_plan_tries_first(tmp_path, capsys):
    path = _log(tmp_path, _line((4, 1, 4)), _line((8, 1, 4)), NOT_MAPPED["format 0.1, only 0.2"])
    code, out, err = _run(capsys, "import-autotvm", str(path), "--target", "rk3288")
    written = tmp_path / "autotvm.starts.jsonl"
    assert code == 0
    assert "1 line left out: format 0.1" in err
    assert "1x1 64->128 @56x56: 2" in out and f"{written}: 2 configs for 1 convolution" in out
    assert starts.read(written) == autotvm.read(path, CORE, 3).starts

    plan = ["plan", "mobilenet", "--target", "rk3288", "--try-first"]
    code, out, _ = _run(capsys, *plan, str(written))
    assert code == 0 and "tried first: 2 imported configs" in out
    # A network that has no such convolution.
    _assert_refused(_run(capsys, "plan", "squeezenet", *plan[2:], str(written)), "no config for")
    _assert_refused(_run(capsys, *plan, str(path)), "line 1 of", "import-autotvm")
    _assert_refused(_run(capsys, *plan, str(tmp_path / "none")), "none", "--try-first")


def test_a_log_of_which_nothing_maps(tmp_path, capsys):
    path = _log(tmp_path, _line((16, 1, 7)))
    code, out, err = _run(capsys, "import-autotvm", str(path), "--target", "rk3288")
    assert (code, out) == (2, "") and "no config in the 1 line" in err
    assert not (tmp_path / "autotvm.starts.jsonl").exists()
    _assert_refused(
        _run(capsys, "import-autotvm", str(tmp_path / "none"), "--target", "rk3288"), "cannot read"
    )


def test_they_are_measured_behind_the_hand_picked_and_before_the_search(tmp_path):
    found = tasks.extract(networks.get("mobilenet").module)
    searches = [TaskSearch(task, CORE) for task in found]
    defaults = sum(len(search.space.starts()) for search in searches)
    lines = [_line((4, 1, 4)), _line((8, 1, 4)), _line((4, 2, 4))]
    imported = autotvm.read(_log(tmp_path, *lines), CORE, 3).starts
    count = starts.give(imported, searches)
    assert count == 3
    trials, measurer = defaults + count, test_tune._Measurer()
    with Log(tmp_path / "log.jsonl") as log:
        options = Options("mobilenet", trials, 0, "xgb")
        tune(searches, options, test_tune._BOARD, log, measurer, test_tune._Observer())
    last = Counter(measurer.measured[defaults:])
    assert last == Counter(f"{LAYER.key} {start.candidate.key}" for start in imported)


def test_what_is_hand_picked_or_of_another_version_is_not_tried_twice():
    search = TaskSearch(next(iter(tasks.extract(networks.get("mobilenet").module))), CORE)
    workload = search.task.workload.key
    default = search.space.defaults()[0]
    schedule = {"name": default.schedule, "version": default.version}
    old = {**schedule, "version": default.version - 1}
    given_ = [starts.Start(workload, each, default.config, {}) for each in (schedule, old)]
    assert starts.give(given_, [search]) == 0
