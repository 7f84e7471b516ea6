"""The TFLite files that `python -m benchmarks peers` writes, read by others."""

from __future__ import annotations

import bench_command
import numpy as np
import pytest

from benchmarks.peers import plain_graph, tflite_model
from tuner import networks
from tuner.errors import UserError

tflite = pytest.importorskip("tflite")


@pytest.mark.parametrize("name", networks.names())
def test_the_file_has_every_layer_and_weight(name, tmp_path):
    nodes = plain_graph.read(networks.get(name).module)
    tflite_model.write(nodes, 224, tmp_path / "model.tflite")
    data = (tmp_path / "model.tflite").read_bytes()
    assert tflite.Model.ModelBufferHasIdentifier(data, 0)
    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    names = [tensor.Name().decode() for tensor in tensors]
    written = {"data"} | {name for name, each in zip(names, tensors, strict=True) if each.Buffer()}
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        assert {names[j] for j in operator.InputsAsNumpy()} <= written
        written |= {names[j] for j in operator.OutputsAsNumpy()}
    assert written == set(names) and {node.name for node in nodes} <= written
    for node in nodes:
        if node.kind in ("conv", "dense"):
            tensor = tensors[names.index(f"{node.name}_weight")]
            values = model.Buffers(tensor.Buffer()).DataAsNumpy()
            assert values.ctypes.data % 4 == 0
            stored = values.view(np.float32).reshape(tensor.ShapeAsNumpy())
            weight = node.weights()[0]
            if node.kind == "conv":
                channels_last = weight.transpose(0, 2, 3, 1)
                weight = channels_last if node.groups == 1 else channels_last.transpose(3, 1, 2, 0)
            assert np.array_equal(stored, weight)
    output = tensors[graph.Outputs(0)]
    assert list(output.ShapeAsNumpy()) == [1, nodes[-1].channels]


def test_tvm_reads_the_file_as_the_network(tmp_path):
    network = bench_command.small_network()
    nodes = plain_graph.read(network.module)
    tflite_model.write(nodes, network.input_shape[2], tmp_path / "model.tflite")
    imported = networks.load(str(tmp_path / "model.tflite"))
    data = network.random_input()
    found = imported.reference(data.transpose(0, 2, 3, 1))
    assert np.allclose(found, network.reference(data), rtol=1e-5, atol=1e-7)


def test_what_tflite_cannot_pad_is_an_error(tmp_path):
    pool = plain_graph.Node("max_pool", "pool", ["data"], 3, kernel=3, stride=2, padding=1)
    with pytest.raises(UserError, match="the padding of pool"):
        tflite_model.write([pool], 8, tmp_path / "model.tflite")
