"""`python -m benchmarks layers`: which kernel belongs to which layer, and what is shown of it."""

from __future__ import annotations

import dataclasses
import json

import bench_command
import numpy as np
import pytest
from tvm import relax

import schedules
from benchmarks import builds, kept, layer_times
from benchmarks.attribution import attribute, layers_of
from benchmarks.call_times import Call, CallTimes
from schedules import hardware
from tuner import networks

_BOARD = hardware.board("rasp3b-64")


def _default_pipeline(module):
    with schedules.unregistered(), schedules.target(_BOARD.core.name):
        return relax.get_pipeline("default")(module)


def test_layers_know_what_they_follow():
    found = layers_of(bench_command.small_network().module).by_name
    assert list(found) == [
        *("stem", "pool", "fire_squeeze", "fire_left", "fire_right", "fire_concat", "thin"),
        *("residual", "mean", "classes", "prob"),
    ]
    assert found["fire_concat"].inputs == {"fire_left", "fire_right"}
    assert found["mean"].follows == "residual" and found["classes"].macs == 160
    assert found["stem"].workload is not None and found["stem"].macs == 8 * 27 * 81


@pytest.mark.parametrize("name", networks.names())
def test_every_call_of_tvms_build_belongs_to_a_layer(name):
    module = networks.get(name).module
    known = layers_of(module)
    calls = attribute(_default_pipeline(module), known)
    assert {layer for _, found in calls for layer in found} == set(known.by_name)
    assert all(len(found) == 1 for _, found in calls)
    # What TVM calls a convolution is one, and the other way round.
    convolutions = [layer for layer in known.by_name.values() if layer.operator == "nn.conv2d"]
    served = [found[0] for kernel, found in calls if "conv2d" in kernel]
    assert served == [layer.name for layer in convolutions]


def test_fused_and_merged_kernels_belong_to_all_their_layers():
    module = bench_command.small_network().module
    known = layers_of(module)
    with schedules.using({}):
        lowered = schedules.pipeline(schedules.target(_BOARD.core.name))(module)
    owners = [found for _, found in attribute(lowered, known)]
    assert any({"fire_left", "fire_right"} <= set(found) for found in owners)
    assert ("residual",) in owners
    # Nothing but the concatenation, written in place, has no kernel of its own.
    assert {layer for found in owners for layer in found} == known.by_name.keys() - {"fire_concat"}


@pytest.fixture
def result(monkeypatch):
    """A result without a run: each call takes as many cycles as its place, TVM's ten times that."""

    network = bench_command.small_network()
    module, known = network.module, layers_of(network.module)
    data = network.random_input()

    def times(owners, factor, between):
        calls = tuple(Call(kernel, factor * (i + 1)) for i, (kernel, _) in enumerate(owners))
        cycles = sum(call.cycles for call in calls) + between
        return CallTimes(cycles, calls, network.reference(data).astype(np.float32))

    with schedules.using({}):
        lowered = schedules.pipeline(schedules.target(_BOARD.core.name))(module)
    default = attribute(_default_pipeline(module), known)
    monkeypatch.setattr(layer_times.launch, "EmulatedBoard", bench_command.NoBoard)
    monkeypatch.setattr(layer_times, "describe", bench_command.describe)
    monkeypatch.setattr(builds, "build", lambda *_: lowered)
    ours = times(attribute(lowered, known), 1000, 7)
    monkeypatch.setattr(layer_times.call_times, "measure", lambda *_: ours)
    measured = times(default, 10000, 0), [found for _, found in default]
    monkeypatch.setattr(layer_times.default_times, "measure", lambda *_: measured)
    monkeypatch.setattr(networks, "get", lambda name: network)
    return layer_times.measure(network, _BOARD, 1, {}, "hand-picked configs", True)


def test_layers_add_up_to_the_network(result):
    document = result.as_dict()
    total = document["total"]
    assert sum(row["cycles"] for row in document["layers"]) == total["kernel_cycles"]
    assert total["cycles"] - total["kernel_cycles"] == total["between_cycles"] == 7
    default = sum(row["tvm_default_cycles"] for row in document["layers"])
    assert default == total["tvm_default_cycles"]
    assert total["ratio_to_tvm_default"] == round(default / total["cycles"], 2)
    names = [name for row in document["layers"] for name in row["layers"]]
    assert sorted(names) == sorted(layers_of(bench_command.small_network().module).by_name)


def test_a_merged_kernel_is_one_row(result):
    row = next(row for row in result.rows if len(row.layers) > 1)
    assert row.title.startswith("fire_") and row.title.endswith("left + right + concat")
    assert row.macs == sum(layer.macs for layer in row.layers) >= 8 * 4 * 16 * 10


_ARGUMENTS = ("layers", "--network", "small", "--target", _BOARD.name)


def test_the_table_says_that_it_is_emulated(capsys, result):
    code, out, _ = bench_command.run(capsys, *_ARGUMENTS)
    assert code == 0
    assert "(emulated" in out and "between kernels" in out and "fire_" in out


def test_json_has_layers_and_total(capsys, result):
    code, out, _ = bench_command.run(capsys, *_ARGUMENTS, "--json")
    document = json.loads(out)
    assert code == 0
    assert {"layers", "total", "network", "board", "threads", "model"} <= document.keys()
    assert {"cycles", "ratio_to_tvm_default"} <= document["total"].keys()
    assert {"schedules", "of_peak", "ratio_to_tvm_default"} <= document["layers"][0].keys()


def test_without_tvms_build_there_is_no_ratio(result):
    document = dataclasses.replace(result, default=None).as_dict()
    assert document["total"]["ratio_to_tvm_default"] is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("layers", "--network", "lenet", "--target", "rk3288"), "unknown network 'lenet'"),
        (("layers", "--network", "squeezenet", "--target", "z80"), "z80"),
        ((*_ARGUMENTS, "--threads", "9"), "has 4 cores, too few for 9 threads"),
        ((*_ARGUMENTS, "--log", "no-such.jsonl"), "there is no log no-such.jsonl"),
    ],
)
def test_a_slip_is_one_line(capsys, arguments, message):
    code, out, err = bench_command.run(capsys, *arguments)
    assert code == 2 and out == "" and len(err.splitlines()) == 1 and message in err


@pytest.mark.board
@pytest.mark.parametrize("name", ["rk3288", "rasp3b-64"])
def test_measured_layers_add_up(name, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "folder", lambda: tmp_path)
    network, board = bench_command.small_network(), hardware.board(name)
    result = layer_times.measure(network, board, 1, {}, "hand-picked configs", True)
    again = layer_times.measure(network, board, 1, {}, "hand-picked configs", True)
    assert again.as_dict() == result.as_dict()  # the second time TVM's build is read from its file
    assert len(list(tmp_path.rglob("*small*.json"))) == 1
    total = result.as_dict()["total"]
    assert 0 < total["kernel_cycles"] < total["cycles"]
    assert total["ratio_to_tvm_default"] > 1
    assert all(row.cycles > 0 and row.default_cycles for row in result.rows)
