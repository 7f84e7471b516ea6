"""What is wrong with a graph of NNVM or MXNet is told in one line, with node and fix."""

from __future__ import annotations

import json

import numpy as np
import pytest
from nnvm_writer import GraphWriter, Nnvm, mxnet_params, tvm_params

from schedules import hardware
from tuner import cli, export, networks
from tuner.errors import UserError

_SHAPE = (1, 4, 9, 9)
_WEIGHT = np.ones((4, 4, 3, 3), np.float32)
_CONV = {"channels": 4, "kernel_size": (3, 3), "use_bias": False}


def _conv(writer: GraphWriter, source: str = "data", weight=_WEIGHT, **attributes) -> str:
    name = f"conv{len(writer.parameters)}"
    kernel = writer.parameter(f"{name}_weight", weight)
    return writer.node("conv2d", name, [source, kernel], **{**_CONV, **attributes})


def _refusal(writer: GraphWriter, shapes=_SHAPE, content=None) -> str:
    text = json.dumps(content or writer.content())
    with pytest.raises(UserError) as refusal:
        networks.from_nnvm(text, writer.parameters, shapes)
    assert refusal.value.fix
    return str(refusal.value)


def test_unknown_operators_are_all_named_with_their_nodes():
    writer = GraphWriter()
    for op, name in (("Deconvolution", "up1"), ("CTCLoss", "loss"), ("Deconvolution", "up2")):
        writer.node(op, name, ["data"])
    message = _refusal(writer)
    assert "cannot be imported: Deconvolution (up1, up2); CTCLoss (loss);" in message


def test_a_compiled_graph_is_told_apart():
    writer = GraphWriter()
    writer.node("tvm_op", "fuse_conv2d", ["data"], func_name="fuse_conv2d")
    assert "has compiled already; give the graph from before the build" in _refusal(writer)


@pytest.mark.parametrize(
    "attributes, phrase",
    [
        ({"layout": "NHWC"}, "its layout is NHWC, only NCHW can be read; convert the graph"),
        ({"kernel_layout": "HWIO"}, "its kernel_layout is HWIO, only OIHW"),
        ({"out_dtype": "int32"}, "its out_dtype is int32; only float32"),
        ({"strides": "(0, 1)"}, "attribute strides is '(0, 1)', not integers of at least 1"),
        ({"strides": "(1, 1, 1)"}, "not two integers: rows and columns"),
        ({"padding": "x"}, "attribute padding is 'x', not integers"),
        ({"channels": 3}, "its weight has shape (4, 4, 3, 3), not (3, 4, 3, 3); give the param"),
        ({"groups": 3}, "4 channels and 4 filters are not 3 groups"),
        ({"use_bias": True}, "it has 2 inputs, not 3: data, weight, bias"),
        ({"use_bias": "maybe"}, "attribute use_bias is 'maybe', not True or False"),
        ({"channels": None}, "its attribute channels is missing"),
        ({"dilation": (9, 9)}, "has shape"),
    ],
)
def test_attributes_of_a_convolution(attributes, phrase):
    writer = GraphWriter()
    _conv(writer, **attributes)
    message = _refusal(writer)
    assert "node conv0 (conv2d): " in message and phrase in message


@pytest.mark.parametrize(
    "op, attributes, phrase",
    [
        ("max_pool2d", {"pool_size": (12, 12)}, "a window lies outside of its data, 9x9"),
        ("max_pool2d", {"pool_size": 2, "padding": 2}, "a window lies outside of its data, 9x9"),
        ("Pooling", {"kernel": 3, "pool_type": "lp"}, "its pool_type is lp; supported: max, avg"),
        ("Activation", {"act_type": "swish"}, "supported: relu, sigmoid, tanh, softrelu"),
        ("lrn", {"size": 4}, "its size is 4; an odd number is supported"),
        ("reshape", {"shape": (7, -1)}, "its shape (7, -1) does not fit data of shape (1, 4, 9"),
        ("reshape", {"shape": (0, -4, 3, -1)}, "does not fit"),
        ("transpose", {"axes": (0, 0, 1, 2)}, "its axes (0, 0, 1, 2) are no order of 4"),
        ("concatenate", {"axis": 4}, "its axis 4 does not exist in 4 dimensions"),
        ("pad", {"pad_width": (1, 1)}, "its pad_width (1, 1) is not of 4 dimensions"),
        ("pad", {"mode": "reflect", "pad_width": (1,) * 8}, "its mode is reflect"),
        ("__add_scalar__", {"scalar": "inf"}, "attribute scalar is 'inf', not a number"),
        ("softmax", {"temperature": 2}, "its temperature is not 1"),
        ("SoftmaxOutput", {}, "its data has shape (1, 4, 9, 9); 2 dimensions are supported"),
        ("FullyConnected", {"num_hidden": 2}, "it has 1 inputs, not 3: data, weight, bias"),
        ("pad", {"pad_width": (0, 0, 0, 0, 10**8, 0, 10**8, 0)}, "its result has shape"),
    ],
)
def test_other_nodes(op, attributes, phrase):
    writer = GraphWriter()
    writer.node(op, "strange", ["data"], **attributes)
    message = _refusal(writer)
    assert f"node strange ({op}): " in message and phrase in message


def test_inputs_that_do_not_fit_each_other():
    writer = GraphWriter()
    writer.node("elemwise_add", "sum", ["data", _conv(writer)])
    assert "(elemwise_add): its inputs differ in shape: (1, 4, 9, 9), (1, 4, 7, 7)" in _refusal(
        writer
    )


def test_missing_parameters():
    writer = GraphWriter()
    _conv(writer, _conv(writer))
    writer.parameters.clear()
    message = _refusal(writer)
    assert "are not there: conv0_weight (of conv0), conv1_weight (of conv1); give" in message


def test_a_parameter_of_another_type():
    writer = GraphWriter()
    _conv(writer, weight=_WEIGHT.astype(np.float16))
    assert "its parameter conv0_weight is float16; only float32" in _refusal(writer)


def test_nodes_in_a_circle():
    writer = GraphWriter()
    writer.node("elemwise_add", "b", ["data", writer.node("relu", "a", ["data"])])
    content = writer.content()
    content["nodes"][1]["inputs"] = [[2, 0, 0]]
    message = _refusal(writer, content=content)
    assert "need each other in a circle: " in message and "a -> b" in message


def test_inputs_that_are_not_there():
    writer = GraphWriter()
    writer.node("relu", "a", ["data"])
    content = writer.content()
    content["nodes"][1]["inputs"] = [[7, 0, 0]]
    assert "an input of node a is node 7, but there are 2 nodes" in _refusal(writer, None, content)


def test_an_output_that_only_training_has():
    writer = GraphWriter()
    names = [writer.parameter(f"v{n}", np.ones(4, np.float32)) for n in range(4)]
    writer.node("relu", "a", [writer.node("batch_norm", "bn", ["data", *names])])
    networks.from_nnvm(writer.json(), writer.parameters, _SHAPE)
    content = writer.content()
    content["nodes"][-1]["inputs"][0][1] = 1
    assert "node bn (batch_norm): its output 1 is read" in _refusal(writer, content=content)


def test_several_outputs_or_inputs():
    writer = GraphWriter()
    writer.node("elemwise_add", "sum", ["data", writer.variable("other")])
    assert "parameters that are not there: other (of sum)" in _refusal(writer)
    assert "it has 2 outputs" in _refusal(writer, content=writer.content(["sum", "data"]))


def test_shapes(tmp_path):
    writer = GraphWriter()
    _conv(writer)
    assert "input data of the graph has no fixed shape (?); give it with --shape" in _refusal(
        writer, None
    )
    assert "the input of the graph is data, not image" in _refusal(writer, {"image": _SHAPE})
    assert "its data has shape (1, 9); 4 dimensions" in _refusal(writer, (1, 9))


def test_the_shape_of_the_labels_does_no_harm():
    writer = GraphWriter()
    scores = writer.node("Flatten", "flat", ["data"])
    writer.node("SoftmaxOutput", "prob", [scores, writer.variable("label")])
    shapes = {"data": (1, 4, 9, 9), "label": (1,)}
    found = networks.from_nnvm(writer.json(), writer.parameters, shapes)
    assert found.input_name == "data" and found.input_shape == _SHAPE


def test_shapes_that_the_graph_knows():
    """As MXNet and NNVM note them."""
    writer = GraphWriter()
    _conv(writer)
    content = writer.content()
    content["nodes"][0]["attrs"] = {"__shape__": "(0, 4, 9, 9)"}
    assert "no fixed shape (?x4x9x9)" in _refusal(writer, None, content)
    content["nodes"][0]["attrs"] = {"__shape__": "(1, 4, 9, 9)"}
    found = networks.from_nnvm(json.dumps(content), writer.parameters)
    assert found.input_shape == _SHAPE
    content = writer.content()
    content["attrs"] = {"shape": ["list_shape", [_SHAPE, _WEIGHT.shape, (1, 4, 7, 7)]]}
    found = networks.from_nnvm(json.dumps(content), writer.parameters)
    assert found.input_shape == _SHAPE


@pytest.fixture
def files(tmp_path) -> tuple[str, str]:
    """A graph with one convolution, and its parameters."""
    writer = Nnvm()
    writer.relu("relu", _conv(writer))
    (tmp_path / "small.json").write_text(writer.json())
    (tmp_path / "small.params").write_bytes(mxnet_params(writer.parameters))
    return str(tmp_path / "small.json"), str(tmp_path / "small.params")


def _plan(*arguments: str) -> None:
    cli.main(["plan", *arguments, "--target", "rk3288"])


def test_the_command_line_takes_a_graph(capsys, files):
    graph, params = files
    _plan(graph, "--params", params, "--shape", "data=1,4,9,9")
    assert "small.json, 1x4x9x9" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, phrase",
    [
        (["GRAPH"], "the parameters of GRAPH are missing; name their file with --params"),
        (["squeezenet", "--params", "PARAMS"], "has its parameters already; --params goes with"),
        (["GRAPH", "--params", "GRAPH"], "the parameters GRAPH: it holds no parameters; name the"),
        (["PARAMS.json", "--params", "PARAMS"], "cannot read PARAMS.json: No such file"),
        (["GRAPH", "--params", "nosuch"], "cannot read nosuch: No such file or directory"),
        (["GRAPH", "--params", "PARAMS", "--shape", "1,2"], "node conv0 (conv2d): its data has"),
    ],
)
def test_the_command_line_refuses_in_one_line(capsys, files, arguments, phrase):
    for name, path in zip(("GRAPH", "PARAMS"), files, strict=True):
        arguments = [argument.replace(name, path) for argument in arguments]
        phrase = phrase.replace(name, path)
    with pytest.raises(SystemExit) as stop:
        _plan(*arguments)
    shown = capsys.readouterr()
    assert stop.value.code == 2 and shown.out == ""
    assert shown.err.startswith("error: ") and shown.err.count("\n") == 1
    assert phrase in shown.err


def test_an_imported_graph_is_exported(tmp_path, files):
    """With TVM's parameters this time, and all the way to a library for the board."""
    graph, _ = files
    params = tmp_path / "tvm.params"
    params.write_bytes(tvm_params({"conv0_weight": _WEIGHT}))
    network, board = networks.load(graph, _SHAPE, params), hardware.board("rasp3b-64")
    manifest = export.write(tmp_path / "out", network, board, export.shipped(network, board))
    assert manifest["input"]["shape"] == list(_SHAPE)
    assert (tmp_path / "out" / manifest["library"]).stat().st_size > 1000
