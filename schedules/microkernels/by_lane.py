"""Vector times one lane of another, added up: the step of kernels that are written as vector code.

AArch64 has `fmla` by lane and LLVM finds it. On armv7 only `vmla` has that form; LLVM prefers the
fused `vfma`, for which it spreads every weight over a register of its own, and spills.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx

from ..lowering.emit import F32, LANES, splat

if TYPE_CHECKING:
    from ..lowering.convolution import Convolution

_VECTOR = f"{F32}x{LANES}"
# t: q0 to q7, the registers whose lanes can be named; e and f: the halves of one.
_MULTIPLY = """
define linkonce_odr <4 x float> @{name}(<4 x float> %pixels, <4 x float> %weights) alwaysinline {{
  %r = call <4 x float> asm sideeffect "vmul.f32 $0, $1, ${{2:{half}}}[{lane}]", "=w,w,t"(<4 x float> %pixels, <4 x float> %weights)
  ret <4 x float> %r
}}
"""
_MULTIPLY_ADD = """
define linkonce_odr <4 x float> @{name}(<4 x float> %total, <4 x float> %pixels, <4 x float> %weights) alwaysinline {{
  %r = call <4 x float> asm sideeffect "vmla.f32 $0, $2, ${{3:{half}}}[{lane}]", "=w,0,w,t"(<4 x float> %total, <4 x float> %pixels, <4 x float> %weights)
  ret <4 x float> %r
}}
"""


def multiply_add(conv: Convolution, total, pixels, weights, lane: int, *, assembly: bool):
    """`total + pixels * weights[lane]` as an expression; without `total` the product.

    Args:
        conv: the function that is written.
        total, pixels, weights: vectors of four float32; `total` may be None.
        assembly: whether to write the instruction of armv7 out.
    """
    if not assembly:
        product = pixels * splat(tirx.Shuffle([weights], [lane]))
        return product if total is None else total + product
    text, stem = (_MULTIPLY, "vmul") if total is None else (_MULTIPLY_ADD, "vmla")
    name = f"{stem}_lane{lane}"
    conv.import_llvm(text.format(name=name, half="ef"[lane // 2], lane=lane % 2))
    operands = [each for each in (total, pixels, weights) if each is not None]
    return tirx.call_extern(_VECTOR, name, *operands)
