"""A vector times one lane of another, added up: the step of kernels written as vector code.

AArch64 has `fmla` by lane, and LLVM finds it. On armv7 only `vmla` has that form; LLVM prefers the
fused `vfma`, for which it spreads every weight over a register of its own, and then spills. There
the instruction is written out. It has a side effect for LLVM, which keeps such in written order:
otherwise LLVM, which does not know their latency, puts those that wait for one another together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx

from ..lowering.emit import F32, LANES, splat

if TYPE_CHECKING:
    from ..lowering.convolution import Convolution

_VECTOR = "<4 x float>"


def multiply_add(conv: Convolution, total, pixels, weights, lane: int, *, assembly: bool):
    """`total + pixels * weights[lane]` as an expression; without `total` the product.

    Args:
        conv: the function that is written.
        total, pixels, weights: vectors of four float32; `total` may be None.
        lane: which weight, 0 to 3.
        assembly: whether to write the instruction of armv7 out.
    """
    if not assembly:
        product = pixels * splat(tirx.Shuffle([weights], [lane]))
        return product if total is None else total + product
    name, text = _instruction(lane, adds=total is not None)
    conv.import_llvm(text)
    operands = [pixels, weights] if total is None else [total, pixels, weights]
    return tirx.call_extern(f"{F32}x{LANES}", name, *operands)


def _instruction(lane: int, adds: bool) -> tuple[str, str]:
    """Name and LLVM IR of a function that is one instruction.

    Constraint t stands for q0 to q7, whose lanes can be named; modifiers e and f for the halves.
    """
    mnemonic, tied, pixels, weights = ("vmla", "0,", 2, 3) if adds else ("vmul", "", 1, 2)
    name = f"{mnemonic}_f32_lane{lane}"
    arguments = ["%total"] * adds + ["%pixels", "%weights"]
    typed = ", ".join(f"{_VECTOR} {argument}" for argument in arguments)
    weight = f"${{{weights}:{'ef'[lane // 2]}}}[{lane % 2}]"
    text = f"{mnemonic}.f32 $0, ${pixels}, {weight}"
    return name, "\n".join(
        [
            f"define linkonce_odr {_VECTOR} @{name}({typed}) alwaysinline {{",
            f'  %r = call {_VECTOR} asm sideeffect "{text}", "=w,{tied}w,t"({typed})',
            f"  ret {_VECTOR} %r",
            "}",
            "",
        ]
    )
