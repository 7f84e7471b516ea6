"""Micro-kernels as inline assembly in LLVM IR, inlined into the loop nest that calls them.

The accumulators are operands pinned to registers: between the zeros before the assembly and the
epilogue behind it, nothing touches memory.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from tvm import tirx
from tvm.tirx import BufferLoad

from ..lowering.emit import LANES
from .base import NEAR_BYTES, Ahead, Following, MicroKernel

if TYPE_CHECKING:
    from ..lowering.convolution import Convolution


# Which of two pointers `{ahead}` begins with.
_CHOICE = ("other", "is_other")


class InlineAsmKernel(MicroKernel):
    """A micro-kernel whose loop over K is written in assembly.

    Subclasses give the text and the registers. `{weights}`, `{pixels}` and `{ahead}` stand for
    pointers that it may move, `{steps}` for a count that it may count down, `{advance}` and
    `{stride}` for the bytes by which the pointers to pixels and to what is prefetched move,
    `{far0}` and so on for the bytes from `{weights}` to the lines of weights that are prefetched.
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

    def turns(self, k: int) -> int:
        return self.steps(k)

    @abstractmethod
    def advance(self, row_bytes: int) -> int:
        """The initial `{advance}`, from the bytes between two rows of pixels."""

    @abstractmethod
    def accumulator(self, i: int, j: int) -> int:
        """The vector register of row `i`, pixels 4j to 4j + 3."""

    @abstractmethod
    def clobbers(self) -> list[str]:
        """The other registers that the assembly writes."""

    @property
    @abstractmethod
    def has_ahead(self) -> bool:
        """Whether the assembly names `{ahead}` and `{stride}`."""

    @property
    @abstractmethod
    def far_hints(self) -> tuple[int, ...]:
        """Bytes between the lines that a turn prefetches at `{far0}`, `{far1}`, ... of weights."""

    @property
    def _changed(self) -> tuple[str, ...]:
        """Operands that the assembly changes."""
        return ("weights", "pixels", *(["ahead"] if self.has_ahead else []), "steps")

    @property
    def _constant(self) -> tuple[str, ...]:
        far = (f"far{n}" for n in range(len(self.far_hints)))
        return ("advance", *(["stride"] if self.has_ahead else []), *far)

    def emit(
        self,
        conv: Convolution,
        accumulators,
        *,
        weights,
        pixels,
        row_stride,
        k,
        ahead: Ahead | None = None,
        following: Following | None = None,
        clear=True,
    ) -> None:
        conv.import_llvm(self.llvm_ir(k))
        if clear:
            self.clear(conv, accumulators)
        ahead = ahead or Ahead(weights[0], weights[1], 0)
        other = ahead.otherwise or ahead._replace(stride=0)
        condition = tirx.convert(ahead.condition)
        strides = [tirx.convert(self._stride(each, k)) for each in (ahead, other)]
        integer = f"int{self.pointer_bits}"
        far: Any = NEAR_BYTES // 4
        if following is not None:
            far = tirx.Select(following.condition, following.distance, far)
        operands = {
            "weights": tirx.address_of(BufferLoad(weights[0], [weights[1]])),
            "pixels": tirx.address_of(BufferLoad(pixels[0], [pixels[1]])),
            "ahead": tirx.address_of(BufferLoad(ahead.buffer, [ahead.index])),
            "other": tirx.address_of(BufferLoad(other.buffer, [other.index])),
            "is_other": tirx.Select(condition, tirx.const(0, "int32"), tirx.const(1, "int32")),
            "steps": tirx.const(self.steps(k), integer),
            "advance": tirx.const(self.advance(4 * row_stride), integer),
            "stride": tirx.Cast(integer, 4 * tirx.Select(condition, *strides)),
        }
        for n, offset in enumerate(self.far_hints):
            operands[f"far{n}"] = tirx.Cast(integer, 4 * far + offset)
        names = (*self._changed, *self._constant, *(_CHOICE if self.has_ahead else ()))
        arguments = [operands[name] for name in names]
        start = tirx.address_of(BufferLoad(accumulators, [0]))
        call = tirx.call_extern("int32", self.symbol(k), start, *arguments)
        conv.e.emit(tirx.Evaluate(call))

    def _stride(self, ahead: Ahead, k: int):
        """Elements from one line that is fetched to the next."""
        return 0 if ahead.lines is not None and self.steps(k) > ahead.lines else ahead.stride

    def llvm_ir(self, k: int) -> str:
        """A function that loads the accumulators, runs the assembly and stores them."""
        registers = [
            self.accumulator(i, j) for i in range(self.mr) for j in range(self.nr // LANES)
        ]
        count = len(registers)
        integer = f"i{self.pointer_bits}"
        types = {name: integer if name == "steps" else "ptr" for name in self._changed}
        # Outputs: accumulators and what changes; each is tied to an input. Then the constants.
        outputs = count + len(types)
        place = {name: count + n for n, name in enumerate(self._changed)}
        place |= {name: 2 * outputs + n for n, name in enumerate(self._constant)}
        text = "\\0A".join(self.lines(k))
        for name, operand in place.items():
            text = text.replace("{" + name + "}", f"${operand}")
        constraints = ",".join(
            [
                *(f"={{{self.vector_register}{register}}}" for register in registers),
                *["=r"] * len(types),
                *map(str, range(outputs)),
                *["r"] * len(self._constant),
                *(f"~{{{clobber}}}" for clobber in ("memory", "cc", *self.clobbers())),
            ]
        )
        result = f"{{ {', '.join([*['<4 x float>'] * count, *types.values()])} }}"
        types |= dict.fromkeys(self._constant, integer)
        arguments = [
            *(f"<4 x float> %a{n}" for n in range(count)),
            *(f"{kind} %{name}" for name, kind in types.items()),
        ]
        body = []
        for n in range(count):
            body += [
                f"  %p{n} = getelementptr float, ptr %acc, i32 {LANES * n}",
                f"  %a{n} = load <4 x float>, ptr %p{n}, align 4",
            ]
        parameters = f"ptr %acc, {', '.join(arguments[count:])}"
        if self.has_ahead:  # of two pointers TVM selects none, so it is done here
            parameters += ", ptr %other, i32 %is_other"
            arguments = [each.replace("%ahead", "%hint") for each in arguments]
            body += [
                "  %chosen = icmp ne i32 %is_other, 0",
                "  %hint = select i1 %chosen, ptr %other, ptr %ahead",
            ]
        body.append(
            f'  %r = call {result} asm sideeffect "{text}", "{constraints}"({", ".join(arguments)})'
        )
        for n in range(count):
            body += [
                f"  %r{n} = extractvalue {result} %r, {n}",
                f"  store <4 x float> %r{n}, ptr %p{n}, align 4",
            ]
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
