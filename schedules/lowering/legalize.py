"""How `relax.nn.conv2d` becomes one of our convolutions when a module is built for an ARM CPU."""

from __future__ import annotations

from tvm import relax
from tvm.ir import GenericConst, Op
from tvm.target import Target

from ..selection import choose
from ..workload import Conv2dWorkload
from .targets import core_of

_OP = "relax.nn.conv2d"
_ATTRIBUTE = "FLegalize"
_FUSES_ELEMENTWISE = 4  # relax.transform's OpPatternKind kOutEWiseFusable
_TVM_LEVEL, _OUR_LEVEL = 10, 11

_tvm_legalize = None  # TVM's own legalization while ours is in place


def register() -> None:
    """Puts our legalization above TVM's. Doing it twice changes nothing."""
    global _tvm_legalize
    if _tvm_legalize is None:
        op = Op.get(_OP)
        _tvm_legalize = op.get_attr(_ATTRIBUTE)
        op.set_attr(_ATTRIBUTE, legalize_conv2d, _OUR_LEVEL)


def unregister() -> None:
    """Restores TVM's own legalization."""
    global _tvm_legalize
    if _tvm_legalize is not None:
        op = Op.get(_OP)
        op.reset_attr(_ATTRIBUTE)
        op.set_attr(_ATTRIBUTE, _tvm_legalize, _TVM_LEVEL)
        _tvm_legalize = None


def workload_of(call: relax.Call) -> Conv2dWorkload | None:
    """The workload of a `relax.nn.conv2d` call; None where layout, dtype or shape are not ours."""
    attrs = call.attrs
    data, weight = (argument.ty for argument in call.args[:2])
    if attrs.data_layout != "NCHW" or attrs.kernel_layout != "OIHW":
        return None
    if str(data.dtype) != "float32" or str(weight.dtype) != "float32":
        return None
    try:
        n, ci, h, w = (int(extent) for extent in data.shape)
        co, _, kh, kw = (int(extent) for extent in weight.shape)
    except TypeError:  # a symbolic shape
        return None

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


def legalize_conv2d(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
    """Our convolution where a schedule serves the target and the workload, else TVM's own.

    Constant weights are packed here, at compile time; others by a function of the module, which
    Relax's constant folding removes where it can.
    """
    core = core_of(Target.current(allow_none=True))
    workload = workload_of(call)
    choice = choose(workload, core) if core is not None and workload is not None else None
    if workload is None or choice is None:
        assert _tvm_legalize is not None
        return _tvm_legalize(builder, call)
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
    return builder.call_te(
        lambda data, packed: schedule.compute(data, packed, workload, config),
        data,
        packed,
        primfunc_name_hint=schedule.name,
        primfunc_attrs={"op_pattern": _FUSES_ELEMENTWISE},
    )
