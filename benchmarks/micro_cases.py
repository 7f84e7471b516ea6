"""Single instructions to time, for each instruction set, and what the core's table says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from schedules.hardware import Core, parse_uops


@dataclass(frozen=True)
class Case:
    """One kind of instruction, in GNU assembly.

    `%0` is a pointer to a pointer to itself, `%1` one to memory that may be written. In
    `independent`, {g} {v} {w} stand for different registers each time: general, vector, and the
    second 64-bit half of the vector one (armv7).

    Attributes:
        name: what is shown.
        kind: instruction class of the core's table.
        quad: whether it is a 128-bit operation.
        chain: waits for the result of the one before; "" for what has none.
        independent: waits for nothing.
        to_addend: the chain is the multiply-accumulate's addend, which is faster.
    """

    name: str
    kind: str
    quad: bool
    chain: str
    independent: str
    to_addend: bool = False


_A64_VECTOR = (
    ("fadd", "fadd v0.{t}, v0.{t}, v1.{t}"),
    ("fmul", "fmul v0.{t}, v0.{t}, v1.{t}"),
    ("vmul", "mul v0.{t}, v0.{t}, v1.{t}"),
    ("vmisc", "zip1 v0.{t}, v0.{t}, v1.{t}"),
    ("convert", "scvtf v0.{t}, v0.{t}"),
)
_A32_VECTOR = (
    ("fadd", "vadd.f32 {t}0, {t}0, {t}1"),
    ("fmul", "vmul.f32 {t}0, {t}0, {t}1"),
    ("vmul", "vmul.i32 {t}0, {t}0, {t}1"),
    ("vmisc", "veor {t}0, {t}0, {t}1"),
    ("convert", "vcvt.f32.s32 {t}0, {t}0"),
)


def _a64_vector(kind: str, text: str, quad: bool) -> Case:
    chain = text.format(t="4s" if quad else "2s")
    independent = chain.replace(" v0", " v{v}", 1).replace(" v0", " v2")
    return Case(chain.split()[0], kind, quad, chain, independent)


def _a32_vector(kind: str, text: str, quad: bool) -> Case:
    letter = "q" if quad else "d"
    chain = text.format(t=letter)
    independent = chain.replace(f" {letter}0", f" {letter}{{v}}", 1)
    independent = independent.replace(f" {letter}0", f" {letter}2")
    return Case(chain.split()[0], kind, quad, chain, independent)


CASES: dict[str, tuple[Case, ...]] = {
    "aarch64": (
        Case("add", "alu", False, "add x9, x9, x10", "add x{g}, x9, x10"),
        Case("add, shifted", "alu_shift", False, "add x9, x9, x10, lsl #2", ""),
        Case("mul", "mul", False, "mul w9, w9, w10", "mul w{g}, w9, w10"),
        Case("ldr x", "load", False, "ldr %0, [%0]", "ldr x{g}, [%0]"),
        Case("str x", "store", False, "", "str x9, [%1]"),
        Case("ldr d", "vload", False, "", "ldr d{v}, [%0]"),
        Case("ldr q", "vload", True, "", "ldr q{v}, [%1]"),
        Case("str q", "vstore", True, "", "str q0, [%1]"),
        *(
            Case(name, "fma", quad, chain, f"fmla v{{v}}.{t}, v1.{t}, v2.s[0]", to_addend)
            for quad, t in ((False, "2s"), (True, "4s"))
            for name, chain, to_addend in (
                ("fmla, to addend", f"fmla v0.{t}, v1.{t}, v2.{t}", True),
                ("fmla, to factor", f"fmla v0.{t}, v0.{t}, v2.{t}", False),
            )
        ),
        *(_a64_vector(*each, quad) for quad in (False, True) for each in _A64_VECTOR),
        Case("dup", "to_vector", True, "", "dup v{v}.4s, w9"),
    ),
    "armv7": (
        Case("add", "alu", False, "add r2, r2, r3", "add r{g}, r2, r3"),
        Case("add, shifted", "alu_shift", False, "add r2, r2, r3, lsl #2", ""),
        Case("mul", "mul", False, "mul r2, r2, r3", "mul r{g}, r2, r3"),
        Case("ldr", "load", False, "ldr %0, [%0]", "ldr r{g}, [%0]"),
        Case("str", "store", False, "", "str r2, [%1]"),
        Case("vldr d", "vload", False, "", "vldr d{v}, [%0]"),
        Case("vld1 q", "vload", True, "", "vld1.32 {{d{v}, d{w}}}, [%1]"),
        Case("vst1 q", "vstore", True, "", "vst1.32 {{d0, d1}}, [%1]"),
        *(
            Case(name, "fma", quad, chain, f"vmla.f32 {t}{{v}}, {t}1, d4[0]", to_addend)
            for quad, t in ((False, "d"), (True, "q"))
            for name, chain, to_addend in (
                ("vmla, to addend", f"vmla.f32 {t}0, {t}1, {t}2", True),
                ("vmla, to factor", f"vmla.f32 {t}0, {t}0, {t}2", False),
            )
        ),
        *(_a32_vector(*each, quad) for quad in (False, True) for each in _A32_VECTOR),
        Case("vdup", "to_vector", True, "", "vdup.32 q{v}, r2"),
    ),
}
CLOBBERED = {
    "aarch64": [f"x{n}" for n in (9, 10, 12, 13, 14, 15)] + [f"v{n}" for n in (0, *range(16, 24))],
    "armv7": [f"r{n}" for n in (2, 3, 4, 5, 6, 8)] + [f"q{n}" for n in (0, *range(8, 16))],
}
_GENERAL = {"aarch64": (12, 13, 14, 15), "armv7": (4, 5, 6, 8)}
_REPEATS = 8


def independent_lines(case: Case, isa: str) -> list[str]:
    """Eight instructions of `case` that do not wait for each other."""
    first, step = (16, 1) if isa == "aarch64" else (8, 1)
    if isa == "armv7" and case.quad and "{{" in case.independent:
        first, step = 16, 2  # a list names both halves
    return [
        case.independent.format(
            g=_GENERAL[isa][i % len(_GENERAL[isa])],
            v=first + step * i,
            w=first + step * i + 1,
        )
        for i in range(_REPEATS)
    ]


def table_latency(case: Case, core: Core) -> int:
    """Cycles from an instruction of the chain to the next."""
    timing = core.quad_timing if case.quad else core.timing
    latency = timing[case.kind].latency
    return min(latency, core.figures["fma_addend_latency"].value) if case.to_addend else latency


def table_interval(case: Case, core: Core, bytes_moved: int) -> float:
    """Cycles from one independent instruction to the next, by issue width and pipes alone."""
    timing = core.quad_timing if case.quad else core.timing
    uops = [
        (frozenset(pipes), -(-bytes_moved // amount) if is_bytes else amount)
        for pipes, amount, is_bytes in parse_uops(timing[case.kind].uops, list(core.pipes))
    ]
    bounds = [1 / core.figures["issue_width"].value]
    if "uop_width" in core.figures:
        bounds.append(len(uops) / core.figures["uop_width"].value)
    # Whatever can only go to some pipes takes its share of those.
    for pipes in _subsets(sorted(core.pipes)):
        bounds.append(sum(cycles for each, cycles in uops if each <= pipes) / len(pipes))
    return max(bounds)


def _subsets(names: Sequence[str]) -> Iterator[frozenset[str]]:
    for size in range(1, len(names) + 1):
        yield from map(frozenset, combinations(names, size))
