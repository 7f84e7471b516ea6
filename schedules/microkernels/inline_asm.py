"""Micro-kernels as inline assembly in LLVM IR, inlined into the loop nest that calls them.

The accumulators are operands pinned to registers: between the zeros before the assembly and the
epilogue behind it, nothing touches memory.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from tvm import tirx
from tvm.tirx import BufferLoad

from ..lowering.emit import LANES
from .base import MicroKernel

if TYPE_CHECKING:
    from ..lowering.convolution import Convolution

OPERANDS = ("weights", "pixels", "steps", "advance")
"""What the assembly names `{weights}` ... besides its registers: two pointers, a count that it may
count down, and the bytes by which the pixel pointer advances."""


class InlineAsmKernel(MicroKernel):
    """A micro-kernel whose loop over K is written in assembly.

    Subclasses give the text and the registers. `{name}` stands for an operand of `OPERANDS`.
    """

    triple: str
    pointer_bits: int
    vector_register: str  # letter of a 128-bit register in LLVM's constraints

    @abstractmethod
    def symbol(self, k: int) -> str:
        """Name of the function; carries ISA, instruction, tile and what of K is built in."""

    @abstractmethod
    def lines(self, k: int) -> list[str]:
        """The assembly that adds up K products."""

    @abstractmethod
    def steps(self, k: int) -> int:
        """The initial `{steps}`."""

    @abstractmethod
    def advance(self, row_bytes: int) -> int:
        """The initial `{advance}`, from the bytes between two rows of pixels."""

    @abstractmethod
    def accumulator(self, i: int, j: int) -> int:
        """The vector register of row `i`, pixels 4j to 4j + 3."""

    @abstractmethod
    def clobbers(self) -> list[str]:
        """The other registers that the assembly writes."""

    def emit(self, conv: Convolution, accumulators, *, weights, pixels, row_stride, k) -> None:
        conv.import_llvm(self.llvm_ir(k))
        self.clear(conv, accumulators)
        integer = f"int{self.pointer_bits}"
        conv.e.emit(
            tirx.Evaluate(
                tirx.call_extern(
                    "int32",
                    self.symbol(k),
                    tirx.address_of(BufferLoad(accumulators, [0])),
                    tirx.address_of(BufferLoad(weights[0], [weights[1]])),
                    tirx.address_of(BufferLoad(pixels[0], [pixels[1]])),
                    tirx.const(self.steps(k), integer),
                    tirx.const(self.advance(4 * row_stride), integer),
                )
            )
        )

    def llvm_ir(self, k: int) -> str:
        """A function that loads the accumulators, runs the assembly and stores them."""
        registers = [
            self.accumulator(i, j) for i in range(self.mr) for j in range(self.nr // LANES)
        ]
        count = len(registers)
        # Outputs: accumulators, both pointers, the count; each is tied to an input. Then `advance`.
        place = {name: count + n for n, name in enumerate(OPERANDS[:3])}
        place["advance"] = 2 * (count + 3)
        text = "\\0A".join(self.lines(k))
        for name, operand in place.items():
            text = text.replace("{" + name + "}", f"${operand}")
        constraints = ",".join(
            [
                *(f"={{{self.vector_register}{register}}}" for register in registers),
                *["=r"] * 3,
                *map(str, range(count + 3)),
                "r",
                *(f"~{{{clobber}}}" for clobber in ("memory", "cc", *self.clobbers())),
            ]
        )
        integer = f"i{self.pointer_bits}"
        result = f"{{ {', '.join(['<4 x float>'] * count)}, ptr, ptr, {integer} }}"
        arguments = [
            *(f"<4 x float> %a{n}" for n in range(count)),
            *("ptr %weights", "ptr %pixels", f"{integer} %steps", f"{integer} %advance"),
        ]
        body = []
        for n in range(count):
            body += [
                f"  %p{n} = getelementptr float, ptr %acc, i32 {LANES * n}",
                f"  %a{n} = load <4 x float>, ptr %p{n}, align 4",
            ]
        body.append(
            f'  %r = call {result} asm sideeffect "{text}", "{constraints}"({", ".join(arguments)})'
        )
        for n in range(count):
            body += [
                f"  %r{n} = extractvalue {result} %r, {n}",
                f"  store <4 x float> %r{n}, ptr %p{n}, align 4",
            ]
        parameters = f"ptr %acc, {', '.join(arguments[count:])}"
        return "\n".join(
            [
                f'target triple = "{self.triple}"',
                f"define linkonce_odr i32 @{self.symbol(k)}({parameters}) alwaysinline {{",
                *body,
                "  ret i32 0",
                "}",
                "",
            ]
        )
