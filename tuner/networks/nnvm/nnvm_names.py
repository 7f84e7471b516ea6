"""NNVM's own operators, with its defaults (nnvm/include/nnvm/top/nn.h of TVM 0.5)."""

from __future__ import annotations

from tuner.networks.nnvm.attributes import Attributes
from tuner.networks.nnvm.errors import Unusable
from tuner.networks.nnvm.layers import BatchNorm, Conv, Dense, Normalization
from tuner.networks.nnvm.leaky import leaky_relu, prelu
from tuner.networks.nnvm.operators import MXNET, NNVM, Operation, operator
from tuner.networks.nnvm.pooling import GlobalPool, Pool
from tuner.networks.nnvm.shaping import Pad


@operator("conv2d", of=(NNVM,))
def _conv2d(attributes: Attributes) -> Operation:
    attributes.require_layout("layout", "NCHW")
    attributes.require_layout("kernel_layout", "OIHW")
    attributes.require_layout("out_layout", "NCHW")
    _require_float32(attributes)
    layer = Conv(
        channels=attributes.integer("channels", least=1),
        kernel=attributes.pair("kernel_size", least=1),
        strides=attributes.pair("strides", 1, least=1),
        padding=attributes.padding("padding"),
        dilation=attributes.pair("dilation", 1, least=1),
        groups=attributes.integer("groups", 1, least=1),
    )
    bias = ("bias",) if attributes.flag("use_bias", True) else ()
    return Operation(layer, ("data", "weight", *bias))


@operator("dense", of=(NNVM,))
def _dense(attributes: Attributes) -> Operation:
    bias = ("bias",) if attributes.flag("use_bias", True) else ()
    return Operation(Dense(attributes.integer("units", least=1)), ("data", "weight", *bias))


@operator("batch_norm", of=(NNVM,))
def _batch_norm(attributes: Attributes) -> Operation:
    layer = BatchNorm(
        epsilon=attributes.number("epsilon", 1e-5),
        axis=attributes.integer("axis", 1),
        use_gamma=attributes.flag("scale", True),
        use_beta=attributes.flag("center", True),
    )
    return Operation(layer, ("data", "gamma", "beta", "moving_mean", "moving_var"))


@operator("max_pool2d", of=(NNVM,))
def _max_pool2d(attributes: Attributes) -> Operation:
    return _pool(attributes, average=False)


@operator("avg_pool2d", of=(NNVM,))
def _avg_pool2d(attributes: Attributes) -> Operation:
    return _pool(attributes, average=True)


def _pool(attributes: Attributes, average: bool) -> Operation:
    attributes.require_layout("layout", "NCHW")
    layer = Pool(
        average=average,
        kernel=attributes.pair("pool_size", least=1),
        strides=attributes.pair("strides", 1, least=1),
        padding=attributes.padding("padding"),
        ceil_mode=attributes.flag("ceil_mode", False),
        counted="window" if attributes.flag("count_include_pad", False) else "data",
    )
    return Operation(layer)


@operator("global_max_pool2d", of=(NNVM,))
def _global_max_pool2d(attributes: Attributes) -> Operation:
    attributes.require_layout("layout", "NCHW")
    return Operation(GlobalPool(average=False))


@operator("global_avg_pool2d", of=(NNVM,))
def _global_avg_pool2d(attributes: Attributes) -> Operation:
    attributes.require_layout("layout", "NCHW")
    return Operation(GlobalPool(average=True))


@operator("pad", of=(NNVM, MXNET))
@operator("Pad", of=(MXNET,))
def _pad(attributes: Attributes) -> Operation:
    mode = attributes.text("mode", "constant")  # MXNet's
    if mode != "constant":
        raise Unusable(f"its mode is {mode}; only constant is supported")
    value = "pad_value" if attributes.has("pad_value") else "constant_value"
    widths = attributes.integers("pad_width", least=0)
    return Operation(Pad(widths, attributes.number(value, 0.0)))


@operator("leaky_relu", of=(NNVM,))
def _leaky_relu(attributes: Attributes) -> Operation:
    return Operation(leaky_relu(attributes.number("alpha", 0.25)))


@operator("prelu", of=(NNVM,))
def _prelu(attributes: Attributes) -> Operation:
    return Operation(prelu(attributes.integer("axis", 1)), ("data", "alpha"))


@operator("lrn", of=(NNVM,))
def _lrn(attributes: Attributes) -> Operation:
    if attributes.integer("axis", 1) != 1:
        raise Unusable("its axis is not 1, the channels")
    return Operation(normalization(attributes, "size", 5, "bias"))


def normalization(
    attributes: Attributes, size_name: str, size: int | None, bias_name: str
) -> Normalization:
    """Return the layer of `lrn`, or of MXNet's `LRN`, which names two attributes otherwise."""
    size = attributes.integer(size_name, size, least=1)
    if size % 2 == 0:
        raise Unusable(f"its {size_name} is {size}; an odd number is supported")
    alpha, beta = attributes.number("alpha", 1e-4), attributes.number("beta", 0.75)
    return Normalization(size, alpha, beta, attributes.number(bias_name, 2.0))


def _require_float32(attributes: Attributes) -> None:
    dtype = attributes.text("out_dtype", "float32")
    if dtype not in ("float32", "same", "-1"):
        raise Unusable(f"its out_dtype is {dtype}; only float32 is supported")
