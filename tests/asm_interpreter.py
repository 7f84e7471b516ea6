"""Runs the assembly of a micro-kernel: the few instructions it has, on numpy arrays.

Memory is the two operands and nothing else: a read outside of them is an IndexError.
"""

from __future__ import annotations

import re

import numpy as np

from schedules.microkernels.pipelined import PipelinedKernel

_FLOAT = 4  # bytes
_LIMIT = 100_000  # instructions


class _Machine:
    """General registers and vector registers, the latter in halves of two floats."""

    def __init__(self, arrays: dict[str, np.ndarray], integers: dict[str, int]) -> None:
        self.memory = {name: array.ravel() for name, array in arrays.items()}
        # A pointer is (operand, byte offset); anything else a number, or two floats on their way.
        self.general: dict[str, object] = {name: (name, 0) for name in arrays} | dict(integers)
        self.vector: dict[int, np.ndarray] = {}

    def load(self, pointer: str, offset: int, floats: int) -> np.ndarray:
        name, base = self.general[pointer]  # type: ignore[misc]
        first, rest = divmod(base + offset, _FLOAT)
        if rest or first < 0 or first + floats > len(self.memory[name]):
            raise IndexError(f"{name}[{first}:{first + floats}]")
        return self.memory[name][first : first + floats]

    def add(self, register: str, amount: str) -> None:
        value = int(amount[1:]) if amount[0] == "#" else self.general[amount]
        old = self.general[register]
        self.general[register] = (old[0], old[1] + value) if isinstance(old, tuple) else old + value


def run(kernel: PipelinedKernel, weights: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """`weights` (K, MR) and `pixels` (K, at least NR) through `kernel`; the sums (MR, NR)."""
    k = len(weights)
    integers = {"steps": kernel.steps(k), "advance": kernel.advance(_FLOAT * pixels.shape[1])}
    integers |= {"ahead": 0, "stride": 0}
    machine = _Machine({"weights": weights, "pixels": pixels}, integers)
    a64 = kernel.core.isa == "aarch64"
    # Halves: v3 is 6 and 7, q3 the same, d3 of ARMv7 is 3, d3 of AArch64 the lower half of v3.
    quads = [kernel.accumulator(i, j) for i in range(kernel.mr) for j in range(kernel.nr // 4)]
    for quad in quads:
        machine.vector[2 * quad] = machine.vector[2 * quad + 1] = np.zeros(2)
    lines = [re.sub(r"[{}]", "", line) for line in kernel.lines(k)]
    at, done = 0, 0
    while at < len(lines):
        target = (_a64 if a64 else _a32)(machine, lines[at])
        at = at + 1 if target is None else lines.index(target)
        done += 1
        assert done < _LIMIT, "the loop does not end"
    halves = [machine.vector[2 * quad + half] for quad in quads for half in (0, 1)]
    return np.concatenate(halves).reshape(kernel.mr, kernel.nr)


def _counts(machine: _Machine, line: str) -> tuple[bool, str | None]:
    """Pointers, the count and branches, which both instruction sets have."""
    words = re.split(r"[ ,]+", line)
    match words:
        case [label] if label.endswith(":"):
            return True, None
        case ["add", register, _, amount]:
            machine.add(register, amount)
        case ["subs", "steps", "steps", "#1"]:
            machine.add("steps", "#-1")
        case ["cmp", "steps", "#0"] | ["prfm" | "pld", *_]:
            pass
        case ["cbz", "steps", _] | ["beq", _]:
            return True, "2:" if machine.general["steps"] == 0 else None
        case ["b.ne" | "bne", _]:
            return True, "1:" if machine.general["steps"] != 0 else None
        case _:
            return False, None
    return True, None


def _a64(machine: _Machine, line: str) -> str | None:
    known, target = _counts(machine, line)
    if known:
        return target
    if found := re.fullmatch(r"ldr (\w)(\d+), \[(\w+), #(-?\d+)\]", line):
        kind, number, pointer, offset = found[1], int(found[2]), found[3], int(found[4])
        floats = machine.load(pointer, offset, 4 if kind == "q" else 2)
        if kind == "x":
            machine.general[f"x{number}"] = floats
        else:
            machine.vector[2 * number] = floats[:2]
            machine.vector[2 * number + 1] = floats[2:] if kind == "q" else np.zeros(2)
    elif found := re.fullmatch(r"ins v(\d+)\.d\[1\], (x\d+)", line):
        machine.vector[2 * int(found[1]) + 1] = machine.general[found[2]]  # type: ignore[assignment]
    elif found := re.fullmatch(r"fmla v(\d+)\.4s, v(\d+)\.4s, v(\d+)\.s\[(\d)\]", line):
        total, pixels, weights, lane = map(int, found.groups())
        _multiply(machine, total, pixels, 2 * weights + lane // 2, lane % 2)
    else:
        raise AssertionError(f"not interpreted: {line}")
    return None


def _a32(machine: _Machine, line: str) -> str | None:
    known, target = _counts(machine, line)
    if known:
        return target
    if found := re.fullmatch(r"vldr d(\d+), \[(\w+), #(-?\d+)\]", line):
        machine.vector[int(found[1])] = machine.load(found[2], int(found[3]), 2)
    elif found := re.fullmatch(r"ldrd (r\d+), (r\d+), \[(\w+), #(-?\d+)\]", line):
        floats = machine.load(found[3], int(found[4]), 2)
        machine.general[found[1]], machine.general[found[2]] = floats
    elif found := re.fullmatch(r"vmov d(\d+), (r\d+), (r\d+)", line):
        pair = [machine.general[found[2]], machine.general[found[3]]]
        machine.vector[int(found[1])] = np.array(pair)
    elif found := re.fullmatch(r"vmla\.f32 q(\d+), q(\d+), d(\d+)\[(\d)\]", line):
        total, pixels, weights, lane = map(int, found.groups())
        _multiply(machine, total, pixels, weights, lane)
    else:
        raise AssertionError(f"not interpreted: {line}")
    return None


def _multiply(machine: _Machine, total: int, pixels: int, weights: int, lane: int) -> None:
    factor = machine.vector[weights][lane]
    for half in (0, 1):
        product = machine.vector[2 * pixels + half] * factor
        machine.vector[2 * total + half] = machine.vector[2 * total + half] + product
