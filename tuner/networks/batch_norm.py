"""Folding of batch normalization into the convolutions before it."""

from __future__ import annotations

import numpy as np
import tvm
from tvm import relax
from tvm.relax.dpl import TupleGetItemPattern, is_const, is_op, rewrite_call, wildcard

_DATA, _WEIGHT, _BIAS = wildcard(), is_const(), is_const()
_CONV = is_op("relax.nn.conv2d")(_DATA, _WEIGHT)
_BIASED = is_op("relax.add")(_CONV, _BIAS)
_VECTORS = [is_const() for _ in range(4)]  # gamma, beta, moving mean, moving variance


def fold_batch_norm(main: relax.Function) -> relax.Function:
    """Turn each convolution with batch normalization behind it into one with a bias.

    TVM has a pass for this too. It leaves convolutions that have a bias alone, computes in float32,
    and compiles a kernel for each step, which takes seconds in a network.
    """
    for pattern in (_BIASED, _CONV):
        norm = is_op("relax.nn.batch_norm")(pattern, *_VECTORS)
        main = rewrite_call(TupleGetItemPattern(norm, 0), _Fold(norm), main)
    return main


class _Fold:
    """Rewrites one match of the pattern `norm` and of the first of its outputs."""

    def __init__(self, norm: relax.dpl.DFPattern) -> None:
        self._norm = norm

    def __call__(self, first_output: relax.Expr, matches: dict) -> relax.Expr:
        conv, norm = matches[_CONV], matches[self._norm].attrs
        if norm.axis != 1 or (conv.attrs.data_layout, conv.attrs.kernel_layout) != ("NCHW", "OIHW"):
            return first_output
        weight = _array(matches[_WEIGHT])
        bias = np.zeros(1)
        if _BIAS in matches:
            bias = _array(matches[_BIAS])
            if bias.shape != (1, weight.shape[0], 1, 1):
                return first_output
        gamma, beta, mean, var = (_array(matches[vector]) for vector in _VECTORS)
        scale = (gamma if norm.scale else 1) / np.sqrt(var + norm.epsilon)
        shift = (beta if norm.center else 0) + (bias.reshape(-1) - mean) * scale
        folded = relax.Call(
            conv.op, (conv.args[0], _constant(weight * scale.reshape(-1, 1, 1, 1))), conv.attrs
        )
        return relax.op.add(folded, _constant(shift.reshape(1, -1, 1, 1)))


def _array(constant: tvm.ir.GenericConst) -> np.ndarray:
    return constant.value.numpy().astype(np.float64)


def _constant(array: np.ndarray) -> tvm.ir.GenericConst:
    return relax.const(array.astype(np.float32))
