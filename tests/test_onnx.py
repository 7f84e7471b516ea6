"""Networks from ONNX files: what is imported is what onnx says, and bad files are refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import host
import numpy as np
import pytest
import tvm
from tvm import relax

import schedules
from schedules import hardware
from tuner import cli, export, networks, tasks
from tuner.errors import UserError

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SHAPE = (1, 3, 19, 19)


def _weight(name: str, *shape: int, offset: float = 0.0):
    rng = np.random.default_rng(len(name) + sum(shape))
    values = np.abs(rng.standard_normal(shape)) if offset else 0.3 * rng.standard_normal(shape)
    return numpy_helper.from_array((values + offset).astype(np.float32), name)


def _write(path: Path, nodes, weights=(), inputs=None, outputs=None, output="prob") -> Path:
    float32 = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs or [helper.make_tensor_value_info("data", float32, ["N", *SHAPE[1:]])],
        outputs or [helper.make_tensor_value_info(output, float32, ["N", "C"])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.fixture
def tiny_onnx(tmp_path) -> Path:
    """A stem with bias, a convolution with batch normalization, and a classifier."""
    node = helper.make_node
    return _write(
        tmp_path / "small.onnx",
        [
            node("Conv", ["data", "w0", "b0"], ["c0"], "/stem/Conv", strides=[2, 2]),
            node("Relu", ["c0"], ["r0"]),
            node("MaxPool", ["r0"], ["p0"], kernel_shape=[3, 3], strides=[2, 2]),
            node("Conv", ["p0", "w1"], ["c1"], "/block.1/last/Conv"),
            node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], ["n1"]),
            node("Relu", ["n1"], ["r1"]),
            node("GlobalAveragePool", ["r1"], ["mean1"]),
            node("Flatten", ["mean1"], ["flat"]),
            node("Gemm", ["flat", "w2", "b2"], ["scores"], transB=1),
            node("Softmax", ["scores"], ["prob"], axis=1),
        ],
        [
            *(_weight("w0", 8, 3, 3, 3), _weight("b0", 8), _weight("w1", 10, 8, 1, 1)),
            *(_weight("scale", 10), _weight("shift", 10), _weight("mean", 10)),
            *(_weight("var", 10, offset=0.5), _weight("w2", 7, 10), _weight("b2", 7)),
        ],
    )


def test_the_layers_have_their_names_and_what_is_fused_into_them(tiny_onnx):
    network = networks.load(str(tiny_onnx), SHAPE)
    assert (network.name, network.title) == ("small", "small.onnx, 1x3x19x19")
    found = tasks.extract(network.module)
    assert [task.layers for task in found] == [("stem",), ("block_1_last",)]
    # Batch normalization is a bias by now.
    assert [task.epilogue for task in found] == [("bias", "relu")] * 2


def test_the_module_computes_what_onnx_says(tiny_onnx):
    network = networks.load(str(tiny_onnx), SHAPE)
    data = network.random_input()
    expected = network.reference(data)
    assert expected.dtype == np.float64 and expected.shape == (1, 7)
    with schedules.unregistered():
        built = relax.build(network.module, tvm.target.Target("llvm"))
    vm = relax.VirtualMachine(built, tvm.cpu())
    output = vm["main"](tvm.runtime.tensor(data)).numpy()
    np.testing.assert_allclose(output, expected, rtol=1e-5)
    assert np.ptp(expected) > 0.05


def test_what_is_not_a_convolution_of_ours_compiles_too(tmp_path):
    """Shapes of no famous network, grouped, dilated and transposed, with a gate beside."""
    node = helper.make_node
    path = _write(
        tmp_path / "odd.onnx",
        [
            node("Conv", ["data", "w0", "b0"], ["c0"], dilations=[2, 1], pads=[2, 0, 1, 3]),
            node("HardSwish", ["c0"], ["h0"]),
            node("Conv", ["h0", "w1"], ["c1"], group=2, strides=[2, 3], auto_pad="SAME_UPPER"),
            node("ReduceMean", ["c1"], ["m1"], axes=[2, 3], keepdims=1),
            node("Conv", ["m1", "w2"], ["g1"]),
            node("Sigmoid", ["g1"], ["s1"]),
            node("Mul", ["c1", "s1"], ["e1"]),
            node("ConvTranspose", ["e1", "w3"], ["t1"], strides=[2, 2]),
            node("Split", ["t1"], ["left", "right"], axis=1),
            node("Sub", ["left", "right"], ["d1"]),
            node("AveragePool", ["d1"], ["a1"], kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1),
            node("Transpose", ["a1"], ["x1"], perm=[0, 2, 3, 1]),
            node("Flatten", ["x1"], ["f1"]),
            node("LogSoftmax", ["f1"], ["prob"], axis=1),
        ],
        [
            *(_weight("w0", 6, 3, 3, 5), _weight("b0", 6), _weight("w1", 10, 3, 3, 3)),
            *(_weight("w2", 10, 10, 1, 1), _weight("w3", 10, 4, 2, 2)),
        ],
    )
    network = networks.load(str(path), {"data": SHAPE})
    assert [task.layers for task in tasks.extract(network.module)] == [("c0",), ("c1",), ("g1",)]
    data = network.random_input()
    with host.as_arm():
        pipeline = schedules.pipeline(host.TARGET)
        built = relax.build(network.module, host.TARGET, relax_pipeline=pipeline)
    output = relax.VirtualMachine(built, tvm.cpu())["main"](tvm.runtime.tensor(data)).numpy()
    np.testing.assert_allclose(output, network.reference(data), rtol=1e-4, atol=1e-4)


def test_constants_and_casts_are_widened_too(tmp_path):
    node, half = helper.make_node, numpy_helper.from_array(np.float32(0.1), "half")
    path = _write(
        tmp_path / "cast.onnx",
        [
            node("Constant", [], ["half"], value=half),
            node("Cast", ["data"], ["same"], to=TensorProto.FLOAT),
            node("Mul", ["same", "half"], ["prob"]),
        ],
    )
    network = networks.load(str(path), SHAPE)
    expected = network.reference(network.random_input())
    wide = network.random_input().astype(np.float64) * np.float64(np.float32(0.1))
    np.testing.assert_array_equal(expected, wide)


def _refuse(capsys, *arguments: str) -> str:
    """Return the one line with which a command is refused."""
    with pytest.raises(SystemExit) as stop:
        cli.main(["plan", *arguments, "--target", "rk3288"])
    shown = capsys.readouterr()
    assert stop.value.code == 2 and shown.out == ""
    assert shown.err.startswith("error: ") and shown.err.count("\n") == 1
    return shown.err


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n\0\0", b"\x08\x09"])
@pytest.mark.parametrize("name", ["x.onnx", "x.jpg"])
def test_a_file_that_is_not_onnx(capsys, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert "is not an ONNX file" in _refuse(capsys, str(tmp_path / name))


def test_a_file_that_is_cut_short(capsys, tiny_onnx):
    tiny_onnx.write_bytes(tiny_onnx.read_bytes()[:-200])
    assert "ONNX" in _refuse(capsys, str(tiny_onnx), "--shape", "1x3x19x19")


def test_no_such_file(capsys):
    assert "cannot read the network nosuch.onnx" in _refuse(capsys, "nosuch.onnx")


@pytest.mark.parametrize(
    "shape, phrase",
    [
        (None, "no fixed shape (?x3x19x19); give it with --shape, for example data=1,3,19,19"),
        ("x=1,3,19,19", "the input of"),
        ("1x3x20x19", "--shape 1x3x20x19 does not fit the input data"),
        ("1x3x19", "--shape 1x3x19 does not fit"),
        ("1;3;19;19", "is no shape; give it like data=1,3,224,224 or 1x3x224x224"),
        ("0x3x19x19", "is no shape"),
    ],
)
def test_shapes(capsys, tiny_onnx, shape, phrase):
    options = [] if shape is None else ["--shape", shape]
    assert phrase in _refuse(capsys, str(tiny_onnx), *options)


@pytest.mark.parametrize("shape", ["1x3x19x19", "1,3,19,19", "data=1,3,19,19"])
def test_ways_to_write_a_shape(capsys, tiny_onnx, shape):
    cli.main(["plan", str(tiny_onnx), "--target", "rk3288", "--shape", shape, "--json"])
    assert "n1_3x19x19" in capsys.readouterr().out


def test_the_shape_of_a_built_in_network_is_fixed(capsys):
    assert "leave --shape out" in _refuse(capsys, "squeezenet", "--shape", "1x3x19x19")


def _relu(source: str, result: str):
    return helper.make_node("Relu", [source], [result])


@pytest.mark.parametrize(
    "nodes, options, phrase",
    [
        ([_relu("a", "prob")], {"inputs": ("a", "b")}, "2 inputs and 1 outputs"),
        ([_relu("a", "prob")], {"inputs": ("a",), "dtype": 7}, "is not float32"),
        ([_relu("a", "prob")], {"inputs": ("a",)}, "no convolution that could be tuned"),
        ([_relu("b", "prob")], {"inputs": ("a",)}, "is not a valid ONNX model"),
        (
            [helper.make_node("Strange", ["a"], ["prob"], domain="somebody")],
            {"inputs": ("a",)},
            "TVM cannot import",
        ),
    ],
)
def test_networks_that_cannot_be_tuned(capsys, tmp_path, nodes, options, phrase):
    kind = options.get("dtype", TensorProto.FLOAT)
    inputs = [helper.make_tensor_value_info(name, kind, SHAPE) for name in options["inputs"]]
    path = _write(tmp_path / "x.onnx", nodes, inputs=inputs)
    if "Strange" in str(nodes[0]):
        model = onnx.load(path)
        model.opset_import.append(helper.make_opsetid("somebody", 1))
        onnx.save(model, path)
    assert phrase in _refuse(capsys, str(path))


def test_without_the_package_onnx(capsys, tiny_onnx, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    message = _refuse(capsys, str(tiny_onnx), "--shape", "1x3x19x19")
    assert "needs the package onnx; pip install" in message


@pytest.mark.board
def test_an_onnx_file_is_tuned_on_a_board(capsys, tiny_onnx, tmp_path):
    log = tmp_path / "log.jsonl"
    command = [str(tiny_onnx), "--target", "rk3288", "--shape", "1x3x19x19", "--log", str(log)]
    cli.main([*command, "--trials", "4", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["network"] == "small" and result["tuned"]["cycles"] > 0
    choice = export.from_log(log, "small", hardware.board("rk3288"))
    # Those of its two layers with which the network as a whole is not slower: none may be.
    assert len(choice.configs) <= 2
    assert result["tuned"]["cycles"] <= result["hand_picked"]["cycles"]
    assert choice.measured_s == pytest.approx(result["tuned"]["ms"] / 1e3)


def test_a_built_in_name_wins_over_a_file(tmp_path, monkeypatch):
    (tmp_path / "squeezenet").write_text("")
    monkeypatch.chdir(tmp_path)
    assert networks.load("squeezenet").title.startswith("SqueezeNet")
    with pytest.raises(UserError, match="did you mean 'squeezenet'"):
        networks.load("sqeezenet")
