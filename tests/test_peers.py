"""`python -m benchmarks peers`: model files for other libraries, and what is shown of the runs."""

from __future__ import annotations

import json
from types import SimpleNamespace

import bench_command
import numpy as np
import pytest
from tvm import relax

from benchmarks import kept
from benchmarks.call_times import CallTimes
from benchmarks.peers import (
    compare,
    library_run,
    ncnn_model,
    onnx_model,
    plain_graph,
)
from benchmarks.peers.library_run import LIBRARIES, LibraryRun
from schedules import hardware
from tuner import networks
from tuner.errors import UserError


@pytest.fixture(scope="module", params=networks.names())
def network(request):
    return networks.get(request.param)


def test_a_plain_graph_has_every_weight(network):
    nodes = plain_graph.read(network.module)
    known = {network.input_name, *(node.name for node in nodes)}
    assert all(set(node.inputs) <= known for node in nodes)
    for node in nodes:
        if node.kind in ("conv", "dense"):
            weight, bias = node.weights()
            assert weight.shape[0] == bias.shape[0] == node.channels and np.any(bias)
    last = [node for node in nodes if node.weight is not None][-1]
    assert nodes[-1].kind == "softmax" and nodes[-1].channels == last.channels


def test_an_operator_that_is_not_written_is_named():
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType((1, 3, 8, 8), "float32"))
    with builder.function("main", [data]):
        with builder.dataflow():
            result = builder.emit_output(relax.op.sigmoid(data))
        builder.emit_func_output(result)
    with pytest.raises(UserError, match="the operator sigmoid"):
        plain_graph.read(builder.finalize())


def test_ncnns_files_are_consistent(network, tmp_path):
    nodes = plain_graph.read(network.module)
    ncnn_model.write(nodes, 224, tmp_path / "model.param", tmp_path / "model.bin")
    magic, counts, *lines = (tmp_path / "model.param").read_text().splitlines()
    layers, blobs = map(int, counts.split())
    assert magic == "7767517" and layers == len(lines)
    written: list[str] = []
    weights = 0
    for line in lines:
        kind, _, input_count, output_count, *rest = line.split()
        inputs, outputs = int(input_count), int(output_count)
        assert set(rest[:inputs]) <= set(written), line
        written += rest[inputs : inputs + outputs]
        arguments = dict(word.split("=") for word in rest[inputs + outputs :])
        if kind.startswith("Convolution"):
            weights += 4 + 4 * (int(arguments["6"]) + int(arguments["0"]))
        if kind == "InnerProduct":
            weights += 4 + 4 * (int(arguments["2"]) + int(arguments["0"]))
    assert len(written) == len(set(written)) == blobs
    assert (tmp_path / "model.bin").stat().st_size == weights


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """The fields of a protocol buffer, read by its specification."""
    fields: list[tuple[int, int | bytes]] = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        value = varint()
        if key & 7 == 2:
            fields.append((key >> 3, message[at : at + value]))
            at += value
        else:
            assert key & 7 == 0
            fields.append((key >> 3, value))
    return fields


def test_the_onnx_file_has_every_layer_and_weight(network, tmp_path):
    nodes = plain_graph.read(network.module)
    onnx_model.write(nodes, 224, tmp_path / "model.onnx")
    model = dict(_fields((tmp_path / "model.onnx").read_bytes()))
    assert model[1] == 8  # ir_version
    graph = _fields(model[7])
    written, read = {"data"}, set()
    tensors = {}
    for number, value in graph:
        if number == 5:
            tensor = _fields(value)
            name = dict(tensor)[8].decode()
            shape = [extent for kind, extent in tensor if kind == 1]
            tensors[name] = np.frombuffer(dict(tensor)[9], "<f4").reshape(shape)
    for number, value in graph:
        if number == 1:
            node = _fields(value)
            inputs = {name.decode() for kind, name in node if kind == 1}
            assert inputs <= written | tensors.keys()
            read |= inputs
            written |= {name.decode() for kind, name in node if kind == 2}
    assert {node.name for node in nodes} <= written and tensors.keys() <= read
    for node in nodes:
        if node.kind in ("conv", "dense"):
            assert np.array_equal(tensors[f"{node.name}_weight"], node.weights()[0])


@pytest.fixture
def no_runs(monkeypatch, tmp_path):
    """Runs that take as long as the fixture says, with exact outputs."""
    network = bench_command.small_network("squeezenet")
    monkeypatch.setattr(networks, "get", lambda name: network)
    exact = network.reference(network.random_input()).astype(np.float32)

    monkeypatch.setattr(compare.launch, "EmulatedBoard", bench_command.NoBoard)
    monkeypatch.setattr(compare, "describe", bench_command.describe)
    monkeypatch.setattr(compare.builds, "build", lambda *_, threads: None)
    monkeypatch.setattr(compare.builds, "held_bytes", lambda _: 10 << 20)
    ours = SimpleNamespace(cost_s=100e6 / hardware.board("rasp3b-64").clock_hz, output=exact)
    monkeypatch.setattr(compare.network_run, "run_build", lambda *_: ours)
    default = CallTimes(3_000_000_000, (), exact), []
    monkeypatch.setattr(compare.default_times, "measure", lambda *_: default)
    monkeypatch.setattr(kept, "folder", lambda: tmp_path)
    monkeypatch.setattr(networks, "names", lambda: ["squeezenet"])
    calls = []

    def run(library, board, nodes, data, progress):
        calls.append(library.title)
        return LibraryRun(150_000_000, 1, 20 << 20, exact.reshape(-1))

    monkeypatch.setattr(library_run, "run", run)
    return calls


_ARGUMENTS = ("peers", "--network", "squeezenet", "--target", "rasp3b-64")


def test_json_has_rows_and_the_ratio_to_the_best_peer(capsys, no_runs):
    code, out, _ = bench_command.run(capsys, *_ARGUMENTS, "--json")
    document = json.loads(out)
    assert code == 0 and document["ratio_to_best_peer"] == 1.5
    rows = {row["name"]: row for row in document["rows"]}
    assert rows.keys() == {"hand_picked", "tuned", "tvm_default", *LIBRARIES}
    clock_hz = hardware.board("rasp3b-64").clock_hz
    assert rows["ncnn"]["ms"] == pytest.approx(150e6 / clock_hz * 1e3)
    assert rows["hand_picked"]["cycles"] == 100_000_000
    assert rows["tvm_default"]["ours_is_faster_by"] == 30
    assert rows["tflite"]["missing"] == "LiteRT has taken its place for aarch64"
    assert all(row["error"] < 1e-4 for row in rows.values() if not row["missing"])


def test_tvms_own_build_can_be_left_out(capsys, no_runs):
    code, out, _ = bench_command.run(capsys, *_ARGUMENTS, "--no-default", "--json")
    assert code == 0 and "tvm_default" not in {row["name"] for row in json.loads(out)["rows"]}


def test_something_has_to_be_left_to_compare_with(capsys, no_runs):
    arguments = ("peers", "--network", "squeezenet", "--target", "rk3288", "--no-default")
    code, out, err = bench_command.run(capsys, *arguments, "--library", "mnn")
    assert code == 2 and out == "" and not no_runs
    assert err.splitlines() == [
        "error: nothing is left to compare with on rk3288; leave out --no-default, or choose "
        "a --library among ncnn, tflite"
    ]


def test_a_library_that_ran_is_not_run_again(capsys, no_runs):
    for _ in range(2):
        assert bench_command.run(capsys, *_ARGUMENTS)[0] == 0
    available = [each for each in LIBRARIES.values() if "aarch64" in each.wheel.isas]
    assert sorted(no_runs) == sorted(library.title for library in available)


def test_what_is_not_available_is_named(capsys, no_runs):
    arguments = ("peers", "--network", "all", "--target", "rasp3b")
    code, out, _ = bench_command.run(capsys, *arguments)
    assert code == 0
    assert "MNN: there is no wheel for armv7" in out
    assert "(emulated, timing model v" in out and "Best peer over ours: 1.50 (ncnn)" in out
    code, out, _ = bench_command.run(capsys, *arguments, "--json")
    document = json.loads(out)
    assert document["ratio_to_best_peer"] == 1.5
    missing = {row["name"] for row in document["networks"][0]["rows"] if row["missing"]}
    assert {"mnn", "onnxruntime", "litert"} <= missing and not {"ncnn", "tflite"} & missing


def test_a_wrong_output_is_an_error(capsys, no_runs, monkeypatch):
    wrong = LibraryRun(1, 1, 1, np.ones(10, np.float32))
    monkeypatch.setattr(library_run, "run", lambda *_: wrong)
    code, _, err = bench_command.run(capsys, *_ARGUMENTS, "--library", "ncnn")
    assert code == 2 and "the output of the ncnn build is not that of the float64 network" in err


def test_an_unknown_library_is_one_line(capsys):
    code, out, err = bench_command.run(capsys, *_ARGUMENTS, "--library", "caffe")
    assert code == 2 and out == ""
    assert err.splitlines() == [
        "error: unknown library 'caffe'; choose among ncnn, mnn, onnxruntime, litert, tflite"
    ]
