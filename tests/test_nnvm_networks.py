"""Whole networks as NNVM, MXNet and ONNX have them are the built-in ones."""

from __future__ import annotations

import json
from pathlib import Path

import host
import numpy as np
import pytest
import tvm
from foreign_networks import NETWORKS, NORMALIZED, describe, write
from nnvm_writer import MxNet, Nnvm, mxnet_params, tvm_params
from tvm import relax
from tvm_ffi import structural_equal

import schedules
from schedules import hardware
from tuner import cli, network_run, networks, tasks
from tuner.networks.graph import Graph

_SHAPE = (1, 3, 224, 224)
_DIALECTS = {"nnvm": (Nnvm, tvm_params), "mxnet": (MxNet, mxnet_params)}


@pytest.fixture(scope="module", params=list(NETWORKS))
def found(request, tmp_path_factory):
    """A built-in network, and by the names of formats what was imported from files of it."""
    name = request.param
    graph = describe(name, _SHAPE)
    folder = tmp_path_factory.mktemp(name)
    imported = {}
    for dialect, (writer_class, dump) in _DIALECTS.items():
        writer = writer_class()
        write(graph, writer, batch_norm=name in NORMALIZED)
        path, params = folder / f"{name}-{dialect}.json", folder / f"{name}-{dialect}.params"
        path.write_text(writer.json())
        params.write_bytes(dump(writer.parameters))
        imported[dialect] = networks.load(str(path), {"data": _SHAPE}, params)
    return networks.get(name), imported


def test_they_have_the_same_tasks(found):
    """Workloads, names of layers and what follows them."""
    built_in, imported = found
    expected = tasks.extract(built_in.module)
    assert [tasks.extract(network.module) for network in imported.values()] == [expected] * 2


@pytest.mark.parametrize("name", NETWORKS)
def test_they_compute_the_same(name):
    """As TVM alone builds them, and smaller, which is quick. Both dialects are one module."""
    shape = (1, 3, 64, 64)
    graph = describe(name, shape)
    found = []
    for writer in (Nnvm(), MxNet()):
        write(graph, writer, batch_norm=name in NORMALIZED)
        found.append(networks.from_nnvm(writer.json(), writer.parameters, shape))
    assert structural_equal(found[0].module, found[1].module)
    data = found[0].random_input()
    outputs = [_run(module, data) for module in (graph.to_relax(), found[0].module)]
    np.testing.assert_allclose(*outputs, rtol=0, atol=1e-6)
    for network in found:
        np.testing.assert_allclose(network.reference(data), graph.evaluate(data), rtol=1e-6)
    assert np.ptp(outputs[0]) > 1e-4


def test_an_onnx_file_is_the_same_module(found, tmp_path):
    """So the board takes the same time for it, to the last cycle."""
    onnx = pytest.importorskip("onnx")
    from onnx_writer import Onnx

    built_in, imported = found
    writer = Onnx()
    write(describe(built_in.name, _SHAPE), writer, batch_norm=built_in.name in NORMALIZED)
    onnx.save(writer.model(("N", *_SHAPE[1:])), tmp_path / "x.onnx")
    network = networks.load(str(tmp_path / "x.onnx"), {"data": _SHAPE})
    assert all(structural_equal(network.module, other.module) for other in imported.values())
    assert tasks.extract(network.module) == tasks.extract(built_in.module)


def _run(module: tvm.IRModule, data: np.ndarray) -> np.ndarray:
    with schedules.unregistered():
        built = relax.build(module, host.TARGET)
    return relax.VirtualMachine(built, tvm.cpu())["main"](tvm.runtime.tensor(data)).numpy()


def _small() -> Graph:
    """A stem, a depthwise and a pointwise convolution, and a classifier."""
    graph = Graph("data", (1, 3, 19, 19), seed=0)
    layer = graph.conv("data", "stem", 8, kernel=3, stride=2)
    layer = graph.conv(graph.depthwise(layer, "deep", 3, 1, 1), "point", 12, kernel=1)
    graph.softmax(graph.dense(graph.global_average_pool(layer, "mean"), "fc", 7), "prob")
    return graph


@pytest.fixture
def small_files(tmp_path) -> tuple[Path, Path]:
    """Graph and parameters of a small network."""
    writer = Nnvm()
    write(_small(), writer, batch_norm=True)
    (tmp_path / "x.json").write_text(writer.json())
    (tmp_path / "x.params").write_bytes(tvm_params(writer.parameters))
    return tmp_path / "x.json", tmp_path / "x.params"


@pytest.mark.board
def test_whichever_file_it_comes_from_the_library_is_the_same(small_files, tmp_path):
    """To the last byte, so that a board takes the same time, to the last cycle."""
    onnx = pytest.importorskip("onnx")
    from onnx_writer import Onnx

    shape = (1, 3, 19, 19)
    writer = Onnx()
    write(_small(), writer, batch_norm=True)
    onnx.save(writer.model(shape), tmp_path / "x.onnx")
    found = (
        networks.load(str(small_files[0]), shape, small_files[1]),
        networks.load(str(tmp_path / "x.onnx"), shape),
    )
    for number, network in enumerate(found):
        board = hardware.board("rk3288")
        network_run.build_scheduled(network, board, {}, tmp_path / f"{number}.so")
    assert (tmp_path / "0.so").read_bytes() == (tmp_path / "1.so").read_bytes()


@pytest.mark.board
def test_a_graph_is_tuned_on_a_board(small_files, tmp_path, capsys):
    graph, params = map(str, small_files)
    options = ["--shape", "data=1,3,19,19", "--target", "rk3288", "--trials", "3", "--json"]
    cli.main([graph, "--params", params, *options, "--log", str(tmp_path / "log.jsonl")])
    result = json.loads(capsys.readouterr().out)
    assert result["network"] == "x" and result["tuned"]["cycles"] > 0


def test_graphs_of_mxnet_before_2017(tmp_path):
    """Attributes are in `param`, moving averages no inputs, entries have no version."""
    graph = describe("mobilenet", (1, 3, 64, 64))
    writer = MxNet(attributes_key="param")
    write(graph, writer, batch_norm=True)
    new = networks.from_nnvm(writer.json(), writer.parameters, (1, 3, 64, 64))
    content = writer.content()
    for node in content["nodes"]:
        node["attr"] = {"lr_mult": "0.1"}
        node["inputs"] = [entry[:2] for entry in node["inputs"]]
        if node["op"] == "BatchNorm":
            del node["inputs"][3:]
    old = networks.from_nnvm(
        json.dumps(content), mxnet_params(writer.parameters, version=0), {"data": (1, 3, 64, 64)}
    )
    assert structural_equal(new.module, old.module)


def test_a_bias_in_front_of_batch_normalization_is_folded_too():
    rng = np.random.default_rng(0)
    writer = MxNet()
    conv = describe("squeezenet", (1, 3, 32, 32)).layers[0][1]
    names = writer.conv("conv", "data", conv, [conv.weight, conv.bias.reshape(-1)])
    arrays = {
        kind: rng.uniform(0.5, 2, 64).astype(np.float32)
        for kind in ("gamma", "beta", "moving_mean", "moving_var")
    }
    writer.relu("relu", writer.batch_norm("bn", names, arrays))
    network = networks.from_nnvm(writer.json(), writer.parameters, (1, 3, 9, 9))
    (task,) = tasks.extract(network.module)
    assert (task.layers, task.epilogue) == (("conv",), ("bias", "relu"))
    bindings = [
        binding for block in network.module["main"].body.blocks for binding in block.bindings
    ]
    assert len(bindings) == 3
    data = network.random_input()
    np.testing.assert_allclose(_run(network.module, data), network.reference(data), atol=1e-5)
