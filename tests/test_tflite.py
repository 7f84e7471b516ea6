"""Networks from TFLite files: tuned in NCHW, and right."""

from __future__ import annotations

import sys
from pathlib import Path

import host
import numpy as np
import pytest
import tvm
from tvm import relax

import schedules
from tuner import cli, networks, reference, tasks
from tuner.errors import UserError

pytest.importorskip("tflite")
from tflite_writer import Writer

SHAPE = (1, 9, 9, 3)
_RNG = np.random.default_rng(0)


def _random(*shape: int) -> np.ndarray:
    return _RNG.standard_normal(shape).astype(np.float32)


_WEIGHTS = {
    "conv1": (_random(8, 3, 3, 3), _random(8)),
    "conv2_dw": (_random(1, 3, 3, 8), _random(8)),
    "conv2_pw": (_random(12, 1, 1, 8), _random(12)),
    "fc": (_random(5, 20), _random(5)),
}


@pytest.fixture
def tiny(tmp_path) -> Path:
    """A stem, a depthwise and a pointwise convolution, both joined, and a classifier."""
    writer = Writer(SHAPE)
    stem = writer.tensor("net/conv1/Relu;net/conv1/BiasAdd", (1, 5, 5, 8))
    writer.conv(writer.data, stem, *_WEIGHTS["conv1"], stride=2)
    deep = writer.tensor("conv2_dw", (1, 5, 5, 8))
    writer.depthwise(stem, deep, *_WEIGHTS["conv2_dw"])
    point = writer.tensor("conv2_pw", (1, 5, 5, 12))
    writer.conv(deep, point, *_WEIGHTS["conv2_pw"], stride=1)
    joined, pooled = writer.tensor("join", (1, 5, 5, 20)), writer.tensor("pool", (1, 2, 2, 20))
    writer.concat([point, deep], joined)
    writer.max_pool(joined, pooled)
    mean, scores = writer.tensor("mean", (1, 20)), writer.tensor("scores", (1, 5))
    writer.mean(pooled, mean)
    writer.dense(mean, scores, *_WEIGHTS["fc"])
    writer.softmax(scores, writer.tensor("prob", (1, 5)))
    path = tmp_path / "tiny.tflite"
    path.write_bytes(writer.file())
    return path


def _expected(data: np.ndarray) -> np.ndarray:
    value = data.astype(np.float64).transpose(0, 3, 1, 2)
    values = []
    for name, stride, groups in (("conv1", 2, 1), ("conv2_dw", 1, 8), ("conv2_pw", 1, 1)):
        weight, bias = _WEIGHTS[name]
        weight = weight.transpose((3, 0, 1, 2) if groups > 1 else (0, 3, 1, 2))
        padding = (weight.shape[2] // 2,) * 4
        out = reference.conv2d(value, weight, (stride,) * 2, padding, groups=groups)
        value = np.clip(out + bias.reshape(1, -1, 1, 1), 0, 6 if groups > 1 else None)
        values.append(value)
    value = reference.max_pool2d(np.concatenate([values[2], values[1]], axis=1), 2, 2)
    weight, bias = _WEIGHTS["fc"]
    return reference.softmax(value.mean(axis=(2, 3)) @ weight.T + bias)


def test_convolutions_are_tasks(tiny):
    network = networks.load(str(tiny))
    assert (network.name, network.title) == ("tiny", "tiny.tflite, 1x9x9x3")
    found = tasks.extract(network.module)
    assert [task.layers for task in found] == [("net_conv1_Relu",), ("conv2_dw",), ("conv2_pw",)]
    operators = [
        binding.value.op.name
        for block in network.module["main"].body.blocks
        for binding in block.bindings
        if isinstance(binding.value, relax.Call)
    ]
    assert operators.count("relax.permute_dims") == 1  # of the input
    assert [task.epilogue for task in found] == [("bias", "relu"), ("bias",), ("bias", "relu")]


def test_the_module_and_its_reference_compute_the_definition(tiny):
    network = networks.load(str(tiny))
    data = network.random_input()
    expected = _expected(data)
    np.testing.assert_allclose(network.reference(data), expected, rtol=1e-9)
    with host.as_arm():
        pipeline = schedules.pipeline(host.TARGET)
        built = relax.build(network.module, host.TARGET, relax_pipeline=pipeline)
    output = relax.VirtualMachine(built, tvm.cpu())["main"](tvm.runtime.tensor(data)).numpy()
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-6)
    assert np.ptp(expected) > 0.05


def test_truncated_files_are_refused(tiny):
    data = tiny.read_bytes()
    for size in (*range(0, len(data), 97), len(data) - 1):
        tiny.write_bytes(data[:size])
        with pytest.raises(UserError, match=r"is not a TFLite file|TVM cannot import"):
            networks.load(str(tiny))


@pytest.mark.parametrize(
    "shape, phrase",
    [("1,3,9,9", "does not fit the input data"), ("x=1,9,9,3", "is data, not x")],
)
def test_the_command_line_refuses_in_one_line(capsys, tiny, shape, phrase):
    with pytest.raises(SystemExit) as stop:
        cli.main(["plan", str(tiny), "--target", "rk3288", "--shape", shape])
    shown = capsys.readouterr()
    assert stop.value.code == 2 and phrase in shown.err and shown.err.count("\n") == 1


def test_without_the_package_tflite(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(UserError, match="needs the package tflite; pip install"):
        networks.load(str(tiny))
