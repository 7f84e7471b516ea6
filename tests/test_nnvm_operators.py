"""Each operator of NNVM and MXNet: what its node computes is what the definition says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import host
import numpy as np
import pytest
import tvm
from nnvm_writer import GraphWriter
from tvm import relax

import schedules
from tuner import networks, reference
from tuner.networks.nnvm import operators
from tuner.networks.nnvm.operators import MXNET, NNVM

_RNG = np.random.default_rng(0)


def _random(*shape: int) -> np.ndarray:
    return _RNG.standard_normal(shape).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A graph of one node: `op` of `data` of this shape, then of `parameters`."""

    op: str
    expected: Callable[..., np.ndarray]
    attributes: dict = field(default_factory=dict)
    shape: tuple[int, ...] = (1, 4, 7, 6)
    parameters: tuple[np.ndarray, ...] = ()
    again: int = 0  # how often the data is read beside once

    def __str__(self) -> str:
        return f"{self.op}-{'-'.join(map(str, self.attributes.values()))}".replace(" ", "")


def _conv(weight, bias=None, stride=(1, 1), padding=(0,) * 4, dilation=(1, 1), groups=1):
    def expected(data, *_):
        out = reference.conv2d(data, weight.astype(np.float64), stride, padding, dilation, groups)
        return out if bias is None else out + bias.reshape(1, -1, 1, 1)

    return expected


def _norm(vectors, epsilon, axis=1, use_gamma=True, use_beta=True):
    gamma, beta, mean, var = vectors

    def expected(data, *_):
        shape = [1] * data.ndim
        shape[axis] = -1
        out = (data - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + epsilon)
        out = out * gamma.reshape(shape) if use_gamma else out
        return out + beta.reshape(shape) if use_beta else out

    return expected


def _pool(reduce, kernel, stride=1, pad=(0, 0, 0, 0), ceil=False, counted="data"):
    """Pooling by its definition, window by window."""

    def expected(data):
        height, width = data.shape[2:]
        rounding = np.ceil if ceil else np.floor
        rows = int(rounding((height + pad[0] + pad[2] - kernel) / stride)) + 1
        columns = int(rounding((width + pad[1] + pad[3] - kernel) / stride)) + 1
        out = np.empty((*data.shape[:2], rows, columns))
        for row, column in np.ndindex(rows, columns):
            top, left = row * stride - pad[0], column * stride - pad[1]
            window = data[:, :, max(top, 0) : top + kernel, max(left, 0) : left + kernel]
            if reduce is np.max:
                out[:, :, row, column] = window.max(axis=(2, 3))
                continue
            count = {
                "data": window.shape[2] * window.shape[3],
                "window": kernel * kernel,
                "padding": (min(top + kernel, height + pad[2]) - top)
                * (min(left + kernel, width + pad[3]) - left),
            }[counted]
            out[:, :, row, column] = window.sum(axis=(2, 3)) / count
        return out

    return expected


def _softmax(axis, log=False):
    def expected(data, *_):
        powers = np.exp(data)
        out = powers / powers.sum(axis=axis, keepdims=True)
        return np.log(out) if log else out

    return expected


def _lrn(size, alpha, beta, bias):
    def expected(data):
        out = np.empty_like(data)
        for channel in range(data.shape[1]):
            near = data[:, max(0, channel - size // 2) : channel + size // 2 + 1]
            total = (near**2).sum(axis=1)
            out[:, channel] = data[:, channel] / (bias + alpha / size * total) ** beta
        return out

    return expected


_W = _random(6, 4, 3, 3)
_B6, _B4 = _random(6), _random(4)
_GROUPED, _DEEP = _random(6, 2, 3, 3), _random(4, 1, 3, 3)
_NORM = (_random(4), _random(4), _random(4), np.abs(_random(4)) + 0.5)
_NORM3 = (_random(6), _random(6), _random(6), np.abs(_random(6)) + 0.5)
_FC, _FC2 = _random(5, 4 * 7 * 6), _random(5, 9)
_B5, _OTHER, _COLUMN = _random(5), _random(1, 4, 7, 6), _random(4, 1, 1)
_MAX, _MEAN = np.max, np.mean

_COMMON = [
    Case("relu", lambda x: np.maximum(x, 0)),
    Case("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    Case("tanh", np.tanh),
    Case("exp", np.exp),
    Case("negative", np.negative),
    Case("flatten", lambda x: x.reshape(2, -1), shape=(2, 3, 4, 5)),
    Case("softmax", _softmax(-1), shape=(2, 7)),
    Case("softmax", _softmax(1), {"axis": 1}),
    Case("log_softmax", _softmax(-1, log=True), shape=(2, 7)),
    Case("reshape", lambda x: x.reshape(1, 28, 6), {"shape": (0, -1, 6)}),
    Case("reshape", lambda x: x.reshape(1, 4, 42), {"shape": (0, 0, -3)}),
    Case("reshape", lambda x: x.reshape(1, 2, 2, 7, 6), {"shape": (0, -4, 2, -1, -2)}),
    Case("reshape", lambda x: x.reshape(1, 4, 7, 6, 1), {"shape": (-2, 1)}),
    Case("transpose", lambda x: x.transpose(0, 2, 3, 1), {"axes": "(0L, 2L, 3L, 1L)"}),
    Case("transpose", lambda x: x.transpose()),
    Case("clip", lambda x: np.clip(x, -0.5, 0.75), {"a_min": -0.5, "a_max": 0.75}),
    Case("elemwise_add", lambda x, y: x + y, parameters=(_OTHER,)),
    Case("elemwise_sub", lambda x, y: x - y, parameters=(_OTHER,)),
    Case("elemwise_mul", lambda x, y: x * y, parameters=(_OTHER,)),
    Case("elemwise_div", lambda x, y: x / y, parameters=(_OTHER,)),
    Case("broadcast_add", lambda x, y: x + y, parameters=(_COLUMN,)),
    Case("broadcast_sub", lambda x, y: x - y, parameters=(_COLUMN,)),
    Case("broadcast_mul", lambda x, y: x * y, parameters=(_COLUMN,)),
    Case("broadcast_div", lambda x, y: x / y, parameters=(_COLUMN,)),
    Case("elemwise_add", lambda x, y: x + y, again=1),
]

_SCALAR = {
    "add": ("_plus_scalar", lambda x: x + 2.5),
    "sub": ("_minus_scalar", lambda x: x - 2.5),
    "rsub": ("_rminus_scalar", lambda x: 2.5 - x),
    "mul": ("_mul_scalar", lambda x: x * 2.5),
    "div": ("_div_scalar", lambda x: x / 2.5),
    "rdiv": ("_rdiv_scalar", lambda x: 2.5 / x),
    "rpow": ("_rpower_scalar", lambda x: 2.5**x),
}

_CONV = {"channels": 6, "kernel_size": (3, 3)}
_NNVM = [
    *(Case(f"__{name}_scalar__", f, {"scalar": 2.5}) for name, (_, f) in _SCALAR.items()),
    Case("__pow_scalar__", np.square, {"scalar": 2.0}),
    Case("conv2d", _conv(_W, _B6), _CONV, parameters=(_W, _B6)),
    Case(
        "conv2d",
        _conv(_W, None, (2, 1), (1, 0, 2, 1)),
        {**_CONV, "strides": [2, 1], "padding": [1, 0, 2, 1], "use_bias": False},
        parameters=(_W,),
    ),
    Case(
        "conv2d",
        _conv(_GROUPED, None, padding=(2, 2, 2, 2), dilation=(2, 2), groups=2),
        {**_CONV, "padding": (2, 2), "dilation": (2, 2), "groups": 2, "use_bias": "0"},
        parameters=(_GROUPED,),
    ),
    Case("dense", lambda x, *_: x @ _FC2.T + _B5, {"units": 5}, (2, 9), (_FC2, _B5)),
    Case(*("dense", lambda x, *_: x @ _FC2.T, {"units": 5, "use_bias": "False"}, (2, 9), (_FC2,))),
    Case("batch_norm", _norm(_NORM, 1e-5), parameters=_NORM),
    Case(
        "batch_norm",
        _norm(_NORM, 0.1, use_gamma=False, use_beta=False),
        {"epsilon": 0.1, "scale": False, "center": False},
        parameters=_NORM,
    ),
    Case("batch_norm", _norm(_NORM3, 1e-5, axis=3), {"axis": 3}, parameters=_NORM3),
    Case("max_pool2d", _pool(_MAX, 3), {"pool_size": (3, 3)}),
    Case(
        "max_pool2d",
        _pool(_MAX, 3, 2, (1, 1, 1, 1), ceil=True),
        {"pool_size": (3, 3), "strides": (2, 2), "padding": (1, 1), "ceil_mode": True},
    ),
    *(
        Case(
            "avg_pool2d",
            _pool(_MEAN, 3, 2, (1, 1, 0, 1), ceil, "window" if include else "data"),
            {
                "pool_size": (3, 3),
                "strides": (2, 2),
                "padding": (1, 1, 0, 1),
                "ceil_mode": ceil,
                "count_include_pad": include,
            },
        )
        for ceil in (False, True)
        for include in (False, True)
    ),
    Case("global_avg_pool2d", lambda x: x.mean(axis=(2, 3), keepdims=True)),
    Case("global_max_pool2d", lambda x: x.max(axis=(2, 3), keepdims=True)),
    Case(
        "pad",
        lambda x: np.pad(x, ((0, 0), (0, 0), (1, 2), (3, 0)), constant_values=1.5),
        {"pad_width": "((0, 0), (0, 0), (1, 2), (3, 0))", "pad_value": 1.5},
    ),
    Case("leaky_relu", lambda x: np.where(x > 0, x, 0.25 * x)),
    Case("prelu", lambda x, a: np.where(x > 0, x, a.reshape(-1, 1, 1) * x), parameters=(_B4,)),
    Case("lrn", _lrn(5, 1e-4, 0.75, 2), shape=(1, 9, 3, 2)),
    Case(
        "lrn",
        _lrn(3, 0.5, 0.6, 1.5),
        {"size": 3, "alpha": 0.5, "beta": 0.6, "bias": 1.5, "axis": 1},
        shape=(1, 9, 3, 2),
    ),
    Case("concatenate", lambda x, y: np.concatenate([x, y], 1), parameters=(_OTHER,)),
    Case("concatenate", lambda x, y: np.concatenate([x, y], 2), {"axis": -2}, again=1),
    Case("elemwise_sum", lambda x, y, z: x + y + z, parameters=(_OTHER,), again=1),
    Case("dropout", lambda x: x, {"rate": 0.5}),
]

_KERNEL = {"kernel": (3, 3), "num_filter": 6}
_MXNET = [
    *(Case(name, f, {"scalar": 2.5}) for name, f in _SCALAR.values()),
    Case("_PlusScalar", lambda x: x + 2.5, {"scalar": 2.5}),
    Case("_power_scalar", np.square, {"scalar": 2.0}),
    Case("Convolution", _conv(_W, _B6), _KERNEL, parameters=(_W, _B6)),
    Case(
        "Convolution",
        _conv(_DEEP, None, (2, 2), (1, 1, 1, 1), groups=4),
        {
            "kernel": "(3L, 3L)",
            "num_filter": 4,
            "stride": "(2L, 2L)",
            "pad": (1, 1),
            "num_group": 4,
            "no_bias": True,
            "layout": None,
            "cudnn_off": False,
        },
        parameters=(_DEEP,),
    ),
    Case(
        "Convolution",
        _conv(_W, _B6, dilation=(2, 1)),
        {**_KERNEL, "dilate": (2, 1), "stride": "()", "pad": "()"},
        parameters=(_W, _B6),
    ),
    Case(
        "FullyConnected",
        lambda x, *_: x.reshape(1, -1) @ _FC.T + _B5,
        {"num_hidden": 5},
        parameters=(_FC, _B5),
    ),
    Case(
        *("FullyConnected", lambda x, *_: x @ _FC2.T, {"num_hidden": 5, "no_bias": "True"}),
        *((2, 9), (_FC2,)),
    ),
    Case("BatchNorm", _norm(_NORM, 1e-3, use_gamma=False), parameters=_NORM),
    Case("BatchNorm", _norm(_NORM, 0.1), {"eps": 0.1, "fix_gamma": "False"}, parameters=_NORM),
    Case("Activation", lambda x: np.maximum(x, 0), {"act_type": "relu"}),
    Case("Activation", np.tanh, {"act_type": "tanh"}),
    Case("Activation", lambda x: np.log1p(np.exp(x)), {"act_type": "softrelu"}),
    Case("LeakyReLU", lambda x: np.where(x > 0, x, 0.25 * x)),
    Case("LeakyReLU", lambda x: np.where(x > 0, x, 0.1 * x), {"act_type": "leaky", "slope": 0.1}),
    Case(
        "LeakyReLU",
        lambda x, a: np.where(x > 0, x, a.reshape(-1, 1, 1) * x),
        {"act_type": "prelu"},
        parameters=(_B4,),
    ),
    Case(
        "LeakyReLU",
        lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)),
        {"act_type": "elu", "slope": 0.5},
    ),
    *(
        Case(
            "Pooling",
            _pool(_MEAN, 3, 2, (1,) * 4, convention == "full", "padding" if include else "data"),
            {
                "kernel": (3, 3),
                "stride": (2, 2),
                "pad": (1, 1),
                "pool_type": "avg",
                "pooling_convention": convention,
                "count_include_pad": include,
            },
        )
        for convention in ("valid", "full")
        for include in (False, True)
    ),
    Case("Pooling", _pool(_MAX, 2), {"kernel": (2, 2)}),
    Case(
        "Pooling",
        _pool(_MAX, 3, 2, ceil=True),
        {"kernel": (3, 3), "stride": (2, 2), "pooling_convention": "full", "pool_type": "max"},
    ),
    Case(
        "Pooling",
        lambda x: x.mean(axis=(2, 3), keepdims=True),
        {"global_pool": True, "pool_type": "avg", "kernel": (7, 7), "pad": (3, 3)},
    ),
    Case("Pooling", lambda x: x.max(axis=(2, 3), keepdims=True), {"global_pool": "1"}),
    Case("LRN", _lrn(5, 1e-4, 0.75, 2), {"nsize": 5}, shape=(1, 9, 3, 2)),
    Case("LRN", _lrn(3, 0.3, 0.5, 1), {"nsize": 3, "alpha": 0.3, "beta": 0.5, "knorm": 1}),
    Case("Concat", lambda x, y: np.concatenate([x, y], 1), {"num_args": 2}, again=1),
    Case("concat", lambda x, y: np.concatenate([x, y], 3), {"dim": 3}, parameters=(_OTHER,)),
    Case("Flatten", lambda x: x.reshape(1, -1)),
    Case("Dropout", lambda x: x, {"p": 0.5}),
    Case("SoftmaxOutput", _softmax(1), shape=(2, 7)),
    Case("SoftmaxOutput", _softmax(1), {"multi_output": True}),
    Case("SoftmaxActivation", _softmax(1), {"mode": "channel"}),
    Case("Reshape", lambda x: x.reshape(28, 6), {"shape": (-1, 0), "reverse": True}),
    Case(
        "pad",
        lambda x: np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2))),
        {"mode": "constant", "pad_width": (0, 0, 0, 0, 1, 1, 2, 2), "constant_value": 0},
    ),
    Case("add_n", lambda x, y: x + y, {"num_args": 2}, parameters=(_OTHER,)),
    Case("_Plus", lambda x, y: x + y, parameters=(_OTHER,)),
]


def _import(case: Case) -> networks.Network:
    writer = GraphWriter()
    names = [writer.parameter(f"p{n}", array) for n, array in enumerate(case.parameters)]
    writer.node(case.op, "node", [*["data"] * (1 + case.again), *names], **case.attributes)
    return networks.from_nnvm(writer.json(), writer.parameters, {"data": case.shape})


@pytest.mark.parametrize("case", [*_COMMON, *_NNVM, *_MXNET], ids=str)
def test_an_operator_computes_what_it_is_defined_as(case):
    network = _import(case)
    data = network.random_input()
    exact = data.astype(np.float64)
    expected = case.expected(*[exact] * (1 + case.again), *case.parameters)
    np.testing.assert_allclose(network.reference(data), expected, rtol=1e-5, atol=1e-6)
    with schedules.unregistered():
        built = relax.build(network.module, host.TARGET)
    output = relax.VirtualMachine(built, tvm.cpu())["main"](tvm.runtime.tensor(data)).numpy()
    np.testing.assert_allclose(output, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("dialect, cases", [(NNVM, _NNVM), (MXNET, _MXNET)])
def test_no_operator_is_left_untested(dialect, cases):
    """Old names of a tested operator are tested with it, and what is a function of NumPy's too."""
    tested = {operators.find(case.op) for case in (*_COMMON, *cases)}
    left = {name for name in operators.names(dialect) if operators.find(name) not in tested}
    assert left <= {"log", "sqrt"}


def test_the_operators_are_those_in_the_documentation():
    page = Path(__file__).parent.parent / "docs" / "import.md"
    table = page.read_text(encoding="utf-8").split("<!-- operators: ")[1].splitlines()[3:]
    columns = [row.split(" | ")[1:3] for row in table]
    for column, dialect in enumerate((NNVM, MXNET)):
        documented = [name for row in columns for name in re.findall(r"`(\w+)`", row[column])]
        assert sorted(documented) == operators.names(dialect)
