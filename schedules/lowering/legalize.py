"""How Relax operators become ours when a module is built for an ARM CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from tvm import relax, te
from tvm.ir import GenericConst, Op
from tvm.target import Target

from ..hardware import Core
from ..knobs import Config
from ..registry import Schedule
from ..selection import choose
from ..workload import Conv2dWorkload
from . import max_pool, plane_mean
from .targets import core_of, current_threads

_ATTRIBUTE = "FLegalize"
_FUSES_ELEMENTWISE = {"op_pattern": 4}  # relax.transform's OpPatternKind kOutEWiseFusable
_STANDS_ALONE = {"op_pattern": 8}  # kOpaque
_TVM_LEVEL, _OUR_LEVEL = 10, 11

Legalize = Callable[[relax.BlockBuilder, relax.Call, Core], "relax.Expr | None"]


class _Override:
    """Our legalization of one operator, above TVM's, which gets the calls we do not serve.

    Args:
        operator: e.g. "relax.nn.conv2d".
        legalize: returns None for a call that it leaves to TVM.
    """

    def __init__(self, operator: str, legalize: Legalize) -> None:
        self.operator = operator
        self._op = Op.get(operator)
        self._ours = legalize
        self._tvms: Callable | None = None  # TVM's own while ours is in place

    @property
    def registered(self) -> bool:
        return self._tvms is not None

    def register(self) -> None:
        """Puts ours above TVM's. Doing it twice changes nothing."""
        if self._tvms is None:
            self._tvms = self._op.get_attr(_ATTRIBUTE)
            self._op.set_attr(_ATTRIBUTE, self._legalize, _OUR_LEVEL)

    def unregister(self) -> None:
        """Restores TVM's own."""
        if self._tvms is not None:
            self._op.reset_attr(_ATTRIBUTE)
            self._op.set_attr(_ATTRIBUTE, self._tvms, _TVM_LEVEL)
            self._tvms = None

    def _legalize(self, builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
        core = core_of(Target.current(allow_none=True))
        served = self._ours(builder, call, core) if core is not None else None
        if served is not None:
            return served
        assert self._tvms is not None
        return self._tvms(builder, call)


def workload_of(call: relax.Call) -> Conv2dWorkload | None:
    """The workload of a `relax.nn.conv2d` call; None where layout, dtype or shape are not ours."""
    attrs = call.attrs
    data, weight = (argument.ty for argument in call.args[:2])
    if (attrs.data_layout, attrs.kernel_layout, attrs.out_layout) != ("NCHW", "OIHW", "NCHW"):
        return None
    if any(str(each.dtype) != "float32" for each in (data, weight, call.ty)):
        return None
    data_sizes, weight_sizes = _sizes(data.shape), _sizes(weight.shape)
    if data_sizes is None or weight_sizes is None:
        return None
    n, ci, h, w = data_sizes
    co, _, kh, kw = weight_sizes

    def ints(values) -> tuple[int, ...]:
        return tuple(int(value) for value in values)

    stride, dilation, padding = ints(attrs.strides), ints(attrs.dilation), ints(attrs.padding)
    return Conv2dWorkload(
        *(n, ci, h, w, co, kh, kw),
        stride=(stride[0], stride[1]),
        padding=(padding[0], padding[1], padding[2], padding[3]),
        dilation=(dilation[0], dilation[1]),
        groups=int(attrs.groups),
    )


def legalize_conv2d(builder: relax.BlockBuilder, call: relax.Call, core: Core) -> relax.Expr | None:
    """Our convolution where a schedule serves the workload.

    Constant weights are packed here, at compile time; others by a function of the module, which
    Relax's constant folding removes where it can.
    """
    workload = workload_of(call)
    choice = _choose(workload, core) if workload is not None else None
    if workload is None or choice is None:
        return None
    schedule, config = choice
    data, weight = call.args[:2]
    if isinstance(weight, GenericConst):
        packed = relax.const(schedule.pack(weight.value.numpy(), workload, config))
    else:
        packed = builder.emit(
            builder.call_te(
                lambda weight: schedule.pack_compute(weight, workload, config),
                weight,
                primfunc_name_hint="pack_weight",
            )
        )
    return _call(builder, data, packed, workload, choice)


def legalize_matmul(builder: relax.BlockBuilder, call: relax.Call, core: Core) -> relax.Expr | None:
    """A fully connected layer: rows of float32 times a matrix that is known at compile time.

    To pack weights takes longer than to use them once, so those that are inputs are left to TVM.
    """
    data, weight = call.args[0], _constant(builder, call.args[1])
    if weight is None or any(str(each.ty.dtype) != "float32" for each in (data, weight, call)):
        return None
    sizes, matrix = _sizes(data.ty.shape), weight.value.numpy()
    if sizes is None or len(sizes) != 2 or matrix.ndim != 2 or min(*sizes, *matrix.shape) < 1:
        return None
    rows, k = sizes
    workload = Conv2dWorkload(rows, k, 1, 1, matrix.shape[1], 1, 1)
    choice = _choose(workload, core)
    if choice is None:
        return None
    schedule, config = choice
    packed = schedule.pack(matrix.T.reshape(workload.weight_shape), workload, config)
    return _call(builder, data, relax.const(packed), workload, choice)


def _choose(workload: Conv2dWorkload, core: Core) -> tuple[Schedule, Config] | None:
    return choose(workload, core, current_threads())


def _call(builder, data, packed, workload: Conv2dWorkload, choice) -> relax.Expr:
    """The call that computes `workload`; rows are taken for images of one pixel."""
    schedule, config = choice
    compute = schedule.compute if len(data.ty.shape) == 4 else partial(_on_rows, schedule)
    return builder.call_te(
        lambda data, packed: compute(data, packed, workload, config),
        data,
        packed,
        primfunc_name_hint=schedule.name,
        primfunc_attrs=_FUSES_ELEMENTWISE,
    )


def _on_rows(schedule: Schedule, data, packed, workload: Conv2dWorkload, config) -> te.Tensor:
    pixels = te.compute((*data.shape, 1, 1), lambda n, c, y, x: data[n, c], name="pixels")
    result = schedule.compute(pixels, packed, workload, config)
    return te.compute(result.shape[:2], lambda n, c: result[n, c, 0, 0], name="rows")


def legalize_permute_dims(
    builder: relax.BlockBuilder, call: relax.Call, core: Core
) -> relax.Expr | None:
    """A constant matrix is transposed here, at compile time: the weights in `x @ w.T`."""
    matrix = _constant(builder, call.args[0])
    if matrix is None or len(matrix.ty.shape) != 2:
        return None
    axes = call.attrs.axes
    return relax.const(
        np.ascontiguousarray(
            matrix.value.numpy().transpose(None if axes is None else [int(axis) for axis in axes])
        )
    )


def _constant(builder: relax.BlockBuilder, value: relax.Expr) -> GenericConst | None:
    """The constant that `value` is or is bound to."""
    if isinstance(value, relax.Var):
        value = builder.lookup_binding(value)
    return value if isinstance(value, GenericConst) else None


def _sizes(shape) -> list[int] | None:
    """The sizes of a tensor's axes; None where one is symbolic or the number of axes unknown."""
    try:
        return [int(extent) for extent in shape]
    except TypeError:
        return None


def legalize_max_pool2d(
    builder: relax.BlockBuilder, call: relax.Call, core: Core
) -> relax.Expr | None:
    """Our pooling where it serves."""
    return _pooling(builder, call, max_pool.pool_of(call), max_pool.compute, "max_pool2d")


def legalize_adaptive_avg_pool2d(
    builder: relax.BlockBuilder, call: relax.Call, core: Core
) -> relax.Expr | None:
    """Our mean of whole planes."""
    mean = plane_mean.mean_of(call)
    return _pooling(builder, call, mean, plane_mean.compute, "adaptive_avg_pool2d")


def _pooling(
    builder: relax.BlockBuilder, call: relax.Call, pool, compute: Callable, name: str
) -> relax.Expr | None:
    """A function of its own that computes `pool`; None for those left to TVM."""
    if pool is None:
        return None
    return builder.call_te(
        lambda data: compute(data, pool),
        call.args[0],
        primfunc_name_hint=name,
        primfunc_attrs=_STANDS_ALONE,
    )


OVERRIDES = (
    _Override("relax.nn.conv2d", legalize_conv2d),
    _Override("relax.matmul", legalize_matmul),
    _Override("relax.permute_dims", legalize_permute_dims),
    _Override("relax.nn.max_pool2d", legalize_max_pool2d),
    _Override("relax.nn.adaptive_avg_pool2d", legalize_adaptive_avg_pool2d),
)


def register() -> None:
    """Puts our legalizations above TVM's. Doing it twice changes nothing."""
    for override in OVERRIDES:
        override.register()


def is_registered() -> bool:
    """Whether ours are in place."""
    return all(override.registered for override in OVERRIDES)


def unregister() -> None:
    """Restores TVM's own legalizations."""
    for override in OVERRIDES:
        override.unregister()
