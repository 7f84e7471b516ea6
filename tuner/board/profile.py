"""Where the cycles of a run on the emulated board went: reads the emulator's profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction of a block.

    Attributes:
        text: its disassembly.
        events: how often an access of it met each kind of delay: `late` (the line was on its way),
            `L2`, `DRAM`, `store` and `stream` (stores that missed L2), `fetch` (of the code
            itself), `slow` (TLB misses, accesses across two lines); `undecoded`: how often it ran
            without the model knowing its timing.
    """

    text: str
    events: dict[str, int]


@dataclass(frozen=True)
class Limits:
    """What a piece of code could do at best, in cycles of one execution in a long run of them.

    Attributes:
        steady: all data in L1.
        resources: the same with every operand ready: issue rules and pipes only.
        issue: only the number of instructions a cycle counts.
        arithmetic: only the pipes of vector arithmetic count.
        memory: only the pipes of loads and stores count.
    """

    steady: float
    resources: float
    issue: float
    arithmetic: float
    memory: float

    def shares(self, each: float) -> dict[str, float]:
        """Share of `each`, the cycles it took, by what they went to; the shares add up to 1.

        What the pipes and issue rules ask for; what waiting for results adds; and the rest, which
        is caches, memory, mispredicted branches and filling the pipeline.
        """
        # Overlap with the code around it can make a block faster than it is by itself.
        steady = min(self.steady, each)
        resources = min(self.resources, steady)
        return {
            self.busiest(): resources / each,
            "results waited for": (steady - resources) / each,
            "memory and the rest": 1 - steady / each,
        }

    def busiest(self) -> str:
        """Name what alone asks for about as many cycles as all resources together."""
        enough = _SAME * self.resources
        if self.issue >= enough:  # first: it is part of the other two
            return "instructions per cycle"
        name, need = max(
            ("arithmetic pipes", self.arithmetic), ("load/store pipes", self.memory), key=_second
        )
        # No single one: rules on what may issue together, or pipes that both kinds share.
        return name if need >= enough else f"issue rules ({name} most)"


@dataclass(frozen=True)
class Loop(Limits):
    """Code that is executed as one: a block of the emulator, or several in a row.

    Attributes:
        address, end: where it lies.
        cycles: all that it took, on all cores together.
        executions: how often it ran.
        mispredicts: how often its end was not foreseen.
        instructions: in order.
    """

    address: int
    end: int
    cycles: int
    executions: int
    mispredicts: int
    instructions: tuple[Instruction, ...]

    @property
    def each(self) -> float:
        """Cycles of one execution, on average."""
        return self.cycles / self.executions

    @property
    def event_counts(self) -> dict[str, int]:
        """Events of all its instructions together."""
        counts: dict[str, int] = {}
        for instruction in self.instructions:
            for name, count in instruction.events.items():
                counts[name] = counts.get(name, 0) + count
        return counts

    def limits(self) -> dict[str, float]:
        """Share of its cycles by what they went to."""
        return self.shares(self.each)

    @property
    def is_server_code(self) -> bool:
        """Whether it belongs to the server, e.g. its memset; kernels are loaded far above it."""
        return self.address < _END_OF_SERVER


_SAME = 0.9
# The static server is linked to low addresses, and takes some megabytes.
_END_OF_SERVER = 1 << 28


def _second(pair: tuple[str, float]) -> float:
    return pair[1]


@dataclass(frozen=True)
class Profile:
    """The hottest code of a run, hottest first; `cycles` is the sum over all code."""

    cycles: int
    loops: tuple[Loop, ...]


def read(path: Path) -> Profile:
    """Read the file that the emulator wrote with the option `profile=`."""
    lines = path.read_text().splitlines()
    blocks: list[Loop] = []
    for line in lines[1:]:
        if line.startswith("block "):
            blocks.append(_block(line))
        else:
            block = blocks[-1]
            blocks[-1] = replace(block, instructions=(*block.instructions, _instruction(line)))
    return Profile(int(lines[0].split()[-1]), tuple(_join(blocks)))


def _block(line: str) -> Loop:
    words = line.split()
    names = dict(zip(words[::2], words[1::2], strict=True))
    return Loop(
        address=int(names["block"], 16),
        end=int(names["end"], 16),
        cycles=int(names["cycles"]),
        executions=int(names["executions"]),
        mispredicts=int(names["mispredicts"]),
        steady=float(names["steady"]),
        resources=float(names["resources"]),
        issue=float(names["issue"]),
        arithmetic=float(names["arithmetic"]),
        memory=float(names["memory"]),
        instructions=(),
    )


def _instruction(line: str) -> Instruction:
    text, *events = line.strip().split("\t")
    return Instruction(text, {name: int(count) for name, count in map(str.split, events)})


def _join(blocks: Sequence[Loop]) -> list[Loop]:
    """Put straight-line code together that the emulator, which limits a block's length, cut."""
    joined: list[Loop] = []
    in_order = sorted(blocks, key=lambda block: block.address)
    for before, block in pairwise([None, *in_order]):
        assert block is not None
        if before and before.end == block.address and before.executions == block.executions:
            joined[-1] = _follow(joined[-1], block)
        else:
            joined.append(block)
    return sorted(joined, key=lambda loop: loop.cycles, reverse=True)


def _follow(first: Loop, second: Loop) -> Loop:
    sums = ("cycles", "mispredicts", "steady", "resources", "issue", "arithmetic", "memory")
    return replace(
        first,
        end=second.end,
        instructions=first.instructions + second.instructions,
        **{name: getattr(first, name) + getattr(second, name) for name in sums},
    )
