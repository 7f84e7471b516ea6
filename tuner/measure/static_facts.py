"""What the compiled code of a candidate tells before it runs: its innermost loops, read and timed.

The loops are found in the disassembly, and the core's table tells what an iteration costs in steady
state with all data in L1 (`tuner.board.emulator.static`). Some ten milliseconds a library.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from schedules import hardware
from tuner.board.disassembly import StaticLoop, innermost_loops
from tuner.board.emulator.static import CoreModel
from tuner.errors import UserError

# Of longer lists the loops that do least an iteration are left out.
_MOST_LOOPS = 12
_FUSED = re.compile(r"v(fma|fms|mla|mls)\.f32\s|fml[as]\s|fn?m(add|sub)\s")
_LOAD = re.compile(r"v?(ld|pop)")
_STORE = re.compile(r"v?(st|push)")
_STACK = re.compile(r"\bsp\b")
_BRACES = re.compile(r"\{(.*)\}")
_RANGE = re.compile(r"\b([dqs])(\d+)-\1(\d+)\b")
# A register by its bytes; v has lanes. Floats are moved in general registers too.
_REGISTER = re.compile(r"\b(?:([qdsrwx])\d+|v\d+\.(4s|2d|2s|16b|8b))\b")
_BYTES = {"q": 16, "d": 8, "s": 4, "r": 4, "w": 4, "x": 8}
_BYTES |= {"4s": 16, "2d": 16, "16b": 16, "2s": 8, "8b": 8}
_VECTOR_BYTES = 16


def read(library: Path, core_name: str) -> dict[str, Any] | None:
    """Read the kernel `library`, compiled for the core.

    Returns:
        `loops`, the innermost loops that multiply and add or store, those with most of that first,
        each with `depth` (loops it lies in, itself included), `instructions`, `cycles`, `fmas` (in
        vectors of 4 lanes), `loads` and `stores` (instructions, the stack's left out), `stored`
        (bytes), `spills` (accesses to the stack) and `undecoded`; all but the first for one
        iteration. None where no disassembler or no host compiler is installed.
    """
    core = hardware.core(core_name)
    try:
        model = _model(core.usual_board)
        loops = innermost_loops(library, core.isa)
    except UserError:
        return None
    moving: list[dict[str, Any]] = []
    for loop in loops:
        facts = _facts(loop, model)
        # Of an unrolled loop there are several that are alike.
        if (facts["fmas"] or facts["stored"]) and facts not in moving:
            moving.append(facts)
    moving.sort(key=lambda each: (-each["fmas"], -each["stored"]))
    return {"loops": moving[:_MOST_LOOPS]}


@cache
def _model(board_name: str) -> CoreModel:
    return CoreModel(hardware.board(board_name), progress=False)


def _facts(loop: StaticLoop, model: CoreModel) -> dict[str, Any]:
    lines = loop.lines
    on_stack = [bool(_STACK.search(line)) for line in lines]
    elsewhere = [line for line, stack in zip(lines, on_stack, strict=True) if not stack]
    loads = [line for line in elsewhere if _LOAD.match(line)]
    stores = [line for line in elsewhere if _STORE.match(line)]
    timed = model.loop(lines)
    return {
        "depth": loop.depth,
        "instructions": len(lines),
        "cycles": round(float(timed.cycles), 2),
        "fmas": _fmas(lines),
        "loads": len(loads),
        "stores": len(stores),
        "stored": sum(_stored_bytes(line) for line in stores),
        "spills": sum(on_stack),
        "undecoded": timed.undecoded,
    }


def _fmas(lines: Sequence[str]) -> float:
    """Multiply-adds, in vectors of four lanes: the first register is the sum's."""
    sums = [_REGISTER.search(line) for line in lines if _FUSED.match(line)]
    return sum(_BYTES[found[1] or found[2]] for found in sums if found) / _VECTOR_BYTES


def _stored_bytes(line: str) -> int:
    """Bytes of the registers that a store names: what stands in braces, or before the address."""
    braces = _BRACES.search(line)
    registers = _RANGE.sub(_spell_out, braces[1] if braces else line.split("[")[0])
    return sum(_BYTES[found[1] or found[2]] for found in _REGISTER.finditer(registers))


def _spell_out(found: re.Match[str]) -> str:
    kind, first, last = found[1], int(found[2]), int(found[3])
    return ", ".join(f"{kind}{number}" for number in range(first, last + 1))
