"""A profile of the emulated board for people: the hottest loops and what limits them."""

from __future__ import annotations

from rich.console import Console

from tuner.board.profile import Instruction, Loop, Profile

# What an event of the emulator's memory model means.
_EVENTS = {
    "late": "loads of a line that was still on its way",
    "L2": "loads from L2",
    "DRAM": "loads from memory",
    "store": "stores to lines in memory",
    "stream": "stores of whole lines to memory",
    "fetch": "fetches of its code",
    "slow": "TLB misses or accesses across two lines",
}


# A longer block is shown by its ends and by the instructions that were delayed.
_LONG = 48
_ENDS = 8


def print_hot_loops(console: Console, profile: Profile, count: int, whole: bool) -> None:
    """Show the `count` loops that took the most cycles; with `whole`, all their instructions."""
    for number, loop in enumerate(profile.loops[:count], start=1):
        lines = [*_facts(number, loop, loop.cycles / profile.cycles), *_listing(loop, whole)]
        for line in lines:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(
        "\nCycles by cause: what the busiest resource asks for with all data in L1; what waiting "
        "for results of earlier instructions adds; caches, memory, branches and the start of the "
        "loop. Beside an instruction: how often its accesses were delayed, and by what.",
        highlight=False,
    )


def _facts(number: int, loop: Loop, share: float) -> list[str]:
    size = len(loop.instructions)
    origin = " (the server's own code)" if loop.is_server_code else ""
    lines = [
        "",
        f"{number}. {share:.1%} of all cycles: {loop.executions:,} executions of {size} "
        f"instructions at {loop.each:.2f} cycles ({size / loop.each:.2f} per cycle){origin}",
        "   " + ", ".join(f"{name} {part:.0%}" for name, part in loop.limits().items()),
        f"   at best, in cycles: {loop.steady:.2f} with all data in L1; {loop.resources:.2f} with "
        f"all results ready ({loop.issue:.2f} to issue, {loop.arithmetic:.2f} with the arithmetic "
        f"pipes, {loop.memory:.2f} with the load/store pipes)",
    ]
    delays = [f"{n:,} {_EVENTS.get(name, name)}" for name, n in loop.event_counts.items()]
    if loop.mispredicts:
        delays.append(f"{loop.mispredicts:,} mispredicted branches")
    return [*lines, "   delayed by: " + ", ".join(delays)] if delays else lines


def _listing(loop: Loop, whole: bool) -> list[str]:
    size = len(loop.instructions)
    lines, left_out = [], 0
    for index, instruction in enumerate(loop.instructions):
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
