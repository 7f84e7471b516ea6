"""MXNet's symbols, with its defaults (src/operator of MXNet 1.x; older names too)."""

from __future__ import annotations

import numpy as np
from tvm.relax import op

from tuner.networks.nnvm.attributes import Attributes
from tuner.networks.nnvm.common_names import ELEMENTWISE
from tuner.networks.nnvm.errors import Unusable
from tuner.networks.nnvm.layers import BatchNorm, Chain, Conv, Dense, Function, Softmax
from tuner.networks.nnvm.leaky import elu, leaky_relu, prelu
from tuner.networks.nnvm.nnvm_names import normalization
from tuner.networks.nnvm.operators import MXNET, Operation, operator
from tuner.networks.nnvm.pooling import GlobalPool, Pool
from tuner.networks.nnvm.shaping import FLATTEN

_ACTIVATIONS = {
    **{name: ELEMENTWISE[name] for name in ("relu", "sigmoid", "tanh")},
    "softrelu": Function(
        lambda data: op.log(op.add(op.exp(data), op.ones_like(data))),
        lambda data: np.logaddexp(0, data),
    ),
}


@operator("Convolution", of=(MXNET,))
def _convolution(attributes: Attributes) -> Operation:
    attributes.require_layout("layout", "NCHW")
    kernel = attributes.integers("kernel", least=1)
    if len(kernel) != 2:
        raise Unusable(f"its kernel {kernel} has not two dimensions")
    layer = Conv(
        channels=attributes.integer("num_filter", least=1),
        kernel=(kernel[0], kernel[1]),
        strides=attributes.pair("stride", 1, least=1),
        padding=attributes.pair("pad", 0) * 2,
        dilation=attributes.pair("dilate", 1, least=1),
        groups=attributes.integer("num_group", 1, least=1),
    )
    return Operation(layer, ("data", "weight", *_bias(attributes)))


@operator("FullyConnected", of=(MXNET,))
def _fully_connected(attributes: Attributes) -> Operation:
    dense = Dense(attributes.integer("num_hidden", least=1))
    layer = Chain(FLATTEN, dense) if attributes.flag("flatten", True) else dense
    return Operation(layer, ("data", "weight", *_bias(attributes)))


def _bias(attributes: Attributes) -> tuple[str, ...]:
    return () if attributes.flag("no_bias", False) else ("bias",)


@operator("BatchNorm", "BatchNorm_v1", of=(MXNET,))
def _batch_norm(attributes: Attributes) -> Operation:
    layer = BatchNorm(
        epsilon=attributes.number("eps", 1e-3),
        axis=attributes.integer("axis", 1),
        use_gamma=not attributes.flag("fix_gamma", True),
        use_beta=True,
    )
    inputs = ("data", "gamma", "beta", "moving_mean", "moving_var")
    return Operation(layer, inputs, by_name=2)


@operator("Activation", of=(MXNET,))
def _activation(attributes: Attributes) -> Operation:
    return Operation(_ACTIVATIONS[attributes.choice("act_type", None, _ACTIVATIONS)])


@operator("LeakyReLU", of=(MXNET,))
def _leaky_relu(attributes: Attributes) -> Operation:
    kind = attributes.choice("act_type", "leaky", ("leaky", "prelu", "elu"))
    if kind == "prelu":
        return Operation(prelu(axis=1), ("data", "gamma"))
    slope = attributes.number("slope", 0.25)
    return Operation(leaky_relu(slope) if kind == "leaky" else elu(slope))


@operator("Pooling", "Pooling_v1", of=(MXNET,))
def _pooling(attributes: Attributes) -> Operation:
    attributes.require_layout("layout", "NCHW")
    average = attributes.choice("pool_type", "max", ("max", "avg")) == "avg"
    if attributes.flag("global_pool", False):
        return Operation(GlobalPool(average))
    convention = attributes.choice("pooling_convention", "valid", ("valid", "full"))
    layer = Pool(
        average=average,
        kernel=attributes.pair("kernel", least=1),
        strides=attributes.pair("stride", 1, least=1),
        padding=attributes.pair("pad", 0) * 2,
        ceil_mode=convention == "full",
        counted="padding" if attributes.flag("count_include_pad", True) else "data",
    )
    return Operation(layer)


@operator("LRN", of=(MXNET,))
def _lrn(attributes: Attributes) -> Operation:
    return Operation(normalization(attributes, "nsize", None, "knorm"))


@operator("SoftmaxOutput", "Softmax", of=(MXNET,))
def _softmax_output(attributes: Attributes) -> Operation:
    if attributes.flag("preserve_shape", False):
        return Operation(Softmax(axis=-1), ignored=("label",))
    rank = None if attributes.flag("multi_output", False) else 2
    return Operation(Softmax(axis=1, rank=rank), ignored=("label",))


@operator("SoftmaxActivation", of=(MXNET,))
def _softmax_activation(attributes: Attributes) -> Operation:
    mode = attributes.choice("mode", "instance", ("instance", "channel"))
    return Operation(Softmax(axis=1, rank=2 if mode == "instance" else None))
