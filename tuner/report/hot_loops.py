"""A profile of the emulated board for people: the hottest loops and what limits them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from schedules.hardware import Board
from tuner.board.disassembly import StaticLoop
from tuner.board.emulator import params
from tuner.board.profile import Instruction, Limits, Loop, Profile

# What an event of the emulator's memory model means.
_EVENTS = {
    "late": "loads of a line that was still on its way",
    "L2": "loads from L2",
    "DRAM": "loads from memory",
    "store": "stores to lines in memory",
    "stream": "stores of whole lines to memory",
    "fetch": "fetches of its code",
    "slow": "TLB misses or accesses across two lines",
    "undecoded": "runs of instructions whose timing the model does not know, taken for one cycle",
}


# Floating-point arithmetic of A64, and of A32.
_ARITHMETIC = re.compile(r"f(ml|madd|mul|add|sub|max)|v(fma|mla|mls|mul|add|sub|max)\w*\.f")

# A longer block is shown by its ends and by the instructions that were delayed.
_LONG = 48
_ENDS = 8


def print_hot_loops(console: Console, profile: Profile, count: int, whole: bool) -> None:
    """Show the `count` loops that took the most cycles; with `whole`, all their instructions."""
    for number, loop in enumerate(profile.loops[:count], start=1):
        lines = [
            *_facts(number, loop, loop.cycles / profile.cycles),
            *_listing(loop.instructions, whole),
        ]
        for line in lines:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(
        "\nCycles by cause: what the busiest resource asks for with all data in L1; what waiting "
        "for results of earlier instructions adds; caches, memory, branches and the start of the "
        "loop. Beside an instruction: how often its accesses were delayed, and by what.",
        highlight=False,
    )


@dataclass(frozen=True)
class TimedLoop:
    """A loop that was read, not run.

    Attributes:
        code: where it is, and its instructions.
        cycles: of one iteration, all data in L1.
        limits: what it could do at best.
        undecoded: those of its instructions whose timing the model does not know.
    """

    code: StaticLoop
    cycles: float
    limits: Limits
    undecoded: tuple[str, ...]

    @property
    def heat(self) -> tuple[int, float]:
        """Orders loops by how much time they are likely to take."""
        # What computes is nested deepest; the depth of other code tells little.
        count = sum(bool(_ARITHMETIC.match(line)) for line in self.code.lines)
        return (self.code.depth if count else 0, count / len(self.code.lines))


def print_static_loops(
    console: Console, name: str, board: Board, loops: Sequence[TimedLoop], count: int, whole: bool
) -> None:
    """Show the `count` loops that are likely to be the hottest."""
    lines = [
        f"{name}: {len(loops)} innermost loops, read for {board.name}; cycles of one iteration, "
        f"all data in L1 (emulated, timing model v{params.MODEL_VERSION})"
    ]
    hottest = sorted(loops, key=lambda loop: loop.heat, reverse=True)[:count]
    for number, loop in enumerate(hottest, start=1):
        lines += [*_static_facts(number, loop)]
        known = [Instruction(text, {}) for text in loop.code.lines]
        lines += _listing(known, whole)
    lines += [
        "",
        "Those with floating-point arithmetic come first, the most deeply nested before others. "
        "Branches within a loop are taken as not taken. Caches are not part of it: give the "
        "--shape of each argument to run the library and see what they cost.",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _static_facts(number: int, loop: TimedLoop) -> list[str]:
    size = len(loop.code.lines)
    shares = loop.limits.shares(loop.cycles)
    lines = [
        "",
        f"{number}. {loop.code.function} at {loop.code.address:#x}, nested {loop.code.depth} deep: "
        f"{size} instructions at {loop.cycles:.2f} cycles ({size / loop.cycles:.2f} per cycle)",
        "   " + ", ".join(f"{name} {part:.0%}" for name, part in list(shares.items())[:2]),
        f"   at best, in cycles: {_at_best(loop.limits)}",
    ]
    if loop.undecoded:
        lines.append(f"   timing not known, taken for one cycle: {'; '.join(loop.undecoded)}")
    return lines


def _at_best(limits: Limits) -> str:
    return (
        f"{limits.resources:.2f} with all results ready ({limits.issue:.2f} to issue, "
        f"{limits.arithmetic:.2f} with the arithmetic pipes, {limits.memory:.2f} with the "
        "load/store pipes)"
    )


def _facts(number: int, loop: Loop, share: float) -> list[str]:
    size = len(loop.instructions)
    origin = " (the server's own code)" if loop.is_server_code else ""
    lines = [
        "",
        f"{number}. {share:.1%} of all cycles: {loop.executions:,} executions of {size} "
        f"instructions at {loop.each:.2f} cycles ({size / loop.each:.2f} per cycle){origin}",
        "   " + ", ".join(f"{name} {part:.0%}" for name, part in loop.limits().items()),
        f"   at best, in cycles: {loop.steady:.2f} with all data in L1; {_at_best(loop)}",
    ]
    delays = [f"{n:,} {_EVENTS.get(name, name)}" for name, n in loop.event_counts.items()]
    if loop.mispredicts:
        delays.append(f"{loop.mispredicts:,} mispredicted branches")
    return [*lines, "   delayed by: " + ", ".join(delays)] if delays else lines


def _listing(instructions: Sequence[Instruction], whole: bool) -> list[str]:
    size = len(instructions)
    lines, left_out = [], 0
    for index, instruction in enumerate(instructions):
        at_end = min(index, size - 1 - index) < _ENDS
        if whole or size <= _LONG or at_end or instruction.events:
            if left_out:
                lines.append(f"     ... {left_out} more")
            lines.append(f"     {_instruction_line(instruction)}")
            left_out = 0
        else:
            left_out += 1
    return lines


def _instruction_line(instruction: Instruction) -> str:
    if not instruction.events:
        return instruction.text
    events = ", ".join(f"{name} {count:,}" for name, count in instruction.events.items())
    return f"{instruction.text:<48}  {events}"
