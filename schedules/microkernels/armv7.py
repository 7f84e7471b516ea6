"""ARMv7: inline assembly in LLVM IR, because LLVM never selects `vmla.f32 q, q, d[lane]`.

The generated function is inlined into the loop nest; its accumulators are operands pinned to
registers, so between the zeros before it and the epilogue behind it nothing touches memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvm import tirx
from tvm.tirx import BufferLoad

from ..lowering.emit import LANES
from .base import MicroKernel

if TYPE_CHECKING:
    from ..lowering.convolution import Convolution


class Armv7Kernel(MicroKernel):
    """16 quad registers: accumulators from q15 down, pixels and weights from q0 up.

    Only d0 to d15 can be read by lane, so the weights come first.
    """

    tiles = ((4, 4), (8, 4), (4, 8), (12, 4), (6, 8), (4, 12))

    def emit(self, conv: Convolution, accumulators, *, weights, pixels, row_stride, k) -> None:
        conv.import_llvm(self.llvm_ir())
        self.clear(conv, accumulators)
        conv.e.emit(
            tirx.Evaluate(
                tirx.call_extern(
                    "int32",
                    self.symbol,
                    tirx.address_of(BufferLoad(accumulators, [0])),
                    tirx.address_of(BufferLoad(weights[0], [weights[1]])),
                    tirx.address_of(BufferLoad(pixels[0], [pixels[1]])),
                    tirx.const(4 * row_stride - self._read_before_last_piece, "int32"),
                    tirx.const(k, "int32"),
                )
            )
        )

    @property
    def symbol(self) -> str:
        """The name carries ISA, instruction and tile."""
        return f"sgemm_armv7_vmla_{self.mr}x{self.nr}"

    @property
    def _weight_registers(self) -> int:
        return (self.mr + 1) // 2  # d registers

    @property
    def _read_before_last_piece(self) -> int:
        """Bytes of a row of pixels read by all of its loads but the last (see `_load`)."""
        return (self.nr - 1) // 8 * 32

    def _accumulator(self, i: int, j: int) -> int:
        """The q register of row `i`, pixels 4j to 4j + 3."""
        return 15 - (i * (self.nr // LANES) + j)

    def loop(self) -> list[str]:
        """The assembly of one step of K: named operands are filled in by `llvm_ir`."""
        first_pixel = -(-self._weight_registers // 2)  # q register
        lines = _load(range(self._weight_registers), "${weights}", advance="!")
        quads = range(first_pixel, first_pixel + self.nr // LANES)
        doubles = range(2 * quads[0], 2 * quads[-1] + 2)
        lines += _load(doubles, "${pixels}", advance=", ${advance}")
        lines.append("subs ${steps}, ${steps}, #1")
        for j, quad in enumerate(quads):
            for i in range(self.mr):
                lines.append(f"vmla.f32 q{self._accumulator(i, j)}, q{quad}, d{i // 2}[{i % 2}]")
        return ["1:", *lines, "bne 1b"]

    def llvm_ir(self) -> str:
        """The kernel as LLVM IR: loads the accumulators, runs the loop, stores them."""
        count = self.mr * self.nr // LANES
        # Operands: the accumulators come first, as outputs tied to inputs.
        names = {"weights": count, "pixels": count + 1, "steps": count + 2}
        advance = 2 * (count + 3)
        text = "\\0A".join(self.loop())
        for name, operand in {**names, "advance": advance}.items():
            text = text.replace("${" + name + "}", f"${operand}")
        registers = [self._accumulator(i, j) for i in range(self.mr) for j in range(self.nr // 4)]
        scratch = sorted(set(range(16)) - set(registers))
        constraints = ",".join(
            [f"={{q{register}}}" for register in registers]
            + ["=r"] * 3
            + [str(operand) for operand in range(count + 3)]
            + ["r"]
            + ["~{memory}", "~{cc}"]
            + [f"~{{q{register}}}" for register in scratch]
        )
        vectors = ", ".join(["<4 x float>"] * count)
        loads, arguments, stores = [], [], []
        for n in range(count):
            loads += [
                f"  %p{n} = getelementptr float, ptr %acc, i32 {LANES * n}",
                f"  %a{n} = load <4 x float>, ptr %p{n}, align 4",
            ]
            arguments.append(f"<4 x float> %a{n}")
            stores += [
                f"  %r{n} = extractvalue %result %r, {n}",
                f"  store <4 x float> %r{n}, ptr %p{n}, align 4",
            ]
        arguments += ["ptr %weights", "ptr %pixels", "i32 %steps", "i32 %advance"]
        result = f"{{ {vectors}, ptr, ptr, i32 }}"
        return "\n".join(
            [
                'target triple = "armv7a-unknown-linux-gnueabihf"',
                f"define linkonce_odr i32 @{self.symbol}"
                "(ptr %acc, ptr %weights, ptr %pixels, i32 %advance, i32 %steps) alwaysinline {",
                *loads,
                f"  %r = call {result} asm sideeffect "
                f'"{text}", "{constraints}"({", ".join(arguments)})',
                *stores,
                "  ret i32 0",
                "}",
                "",
            ]
        ).replace("%result", result)


def _load(registers: range, pointer: str, advance: str) -> list[str]:
    """Loads consecutive d registers from `pointer` and advances it: `!` by what was read, or by a
    register. `vld1` takes four registers at most, so a long row is read in pieces; a piece before
    the last has to advance by what it read, and the last by the rest of the row.
    """
    names = [f"d{register}" for register in registers]
    pieces = [names[at : at + 4] for at in range(0, len(names), 4)]
    lines = [f"vld1.32 {{{', '.join(piece)}}}, [{pointer}]!" for piece in pieces[:-1]]
    return [*lines, f"vld1.32 {{{', '.join(pieces[-1])}}}, [{pointer}]{advance}"]
