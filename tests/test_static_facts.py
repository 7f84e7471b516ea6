"""What compiled code tells before it runs, on code of known content and on real kernels."""

from __future__ import annotations

import math
import subprocess

import pytest

from schedules import Conv2dWorkload, hardware
from tuner.board import toolchain
from tuner.costmodel import estimate
from tuner.costmodel.known_code import KnownCode
from tuner.errors import UserError
from tuner.measure import static_facts
from tuner.measure.builder import compile_candidate
from tuner.search import Candidate, Space

# An outer loop around a loop that computes, with a spill, and one that copies.
_CODE = {
    "cortex-a17": """
        .syntax unified
        .arm
        .fpu neon-vfpv4
        .globl main
        .type main, %function
        main:
        .Louter:
            mov r1, r6
        .Linner:
            vld1.32 {d0-d1}, [r0]!
            vldr d4, [sp, #16]
            vmla.f32 q8, q0, d4[0]
            vmla.f32 q9, q0, d4[1]
            subs r1, r1, #1
            bne .Linner
        .Lcopy:
            vld1.32 {d0-d3}, [r0]!
            ldr r3, [r0]
            vst1.32 {d0-d3}, [r2]!
            str r3, [r2]
            subs r4, r4, #1
            bne .Lcopy
            subs r5, r5, #1
            bne .Louter
            bx lr
    """,
    "cortex-a53": """
        .globl main
        .type main, %function
        main:
        .Louter:
            mov x1, x6
        .Linner:
            ldr q0, [x0], #16
            ldr q4, [sp, #16]
            fmla v8.4s, v0.4s, v4.s[0]
            fmla v9.4s, v0.4s, v4.s[1]
            subs x1, x1, #1
            b.ne .Linner
        .Lcopy:
            ldp q0, q1, [x0], #32
            ldr w3, [x0]
            stp q0, q1, [x2], #32
            str w3, [x2]
            subs x4, x4, #1
            b.ne .Lcopy
            subs x5, x5, #1
            b.ne .Louter
            ret
    """,
}


def _assemble(core_name, folder):
    try:
        compiler = toolchain.find(hardware.core(core_name).isa).compiler
    except UserError as error:
        pytest.skip(str(error))
    source, library = folder / "code.s", folder / "code.so"
    source.write_text(_CODE[core_name])
    command = [*compiler, "-shared", "-nostdlib", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    return library


@pytest.mark.parametrize("core_name", _CODE)
def test_loops_are_counted_and_timed(core_name, tmp_path):
    static = static_facts.read(_assemble(core_name, tmp_path), core_name)
    computing, copying = static["loops"]
    core = hardware.core(core_name)
    assert {k: v for k, v in computing.items() if k != "cycles"} == {
        "depth": 2,
        "instructions": 6,
        "fmas": 2,
        "loads": 1,
        "stores": 0,
        "stored": 0,
        "spills": 1,
        "undecoded": 0,
    }
    assert {k: v for k, v in copying.items() if k != "cycles"} == {
        "depth": 2,
        "instructions": 6,
        "fmas": 0,
        "loads": 2,
        "stores": 2,
        "stored": 36,
        "spills": 0,
        "undecoded": 0,
    }
    # The multiply-adds alone take that long.
    assert computing["cycles"] >= 2 * 8 / core.peak_flops_per_cycle
    assert estimate.is_readable(static)
    by_name = dict(zip(estimate.FEATURES, estimate.features(static), strict=True))
    assert by_name["log2_cycles_per_fma"] == math.log2(computing["cycles"] / 2)
    assert (by_name["loads_per_fma"], by_name["spills_per_fma"]) == (0.5, 0.5)
    assert by_name["moving_cycles_per_byte"] == copying["cycles"] / 36


@pytest.mark.parametrize("core_name", ["cortex-a17", "cortex-a53"])
def test_the_loop_of_a_real_kernel(core_name, tmp_path):
    workload, core = Conv2dWorkload(1, 16, 14, 14, 24, 1, 1), hardware.core(core_name)
    candidate = next(c for c in Space(workload, core).defaults() if c.schedule == "conv2d_gemm")
    library, config = tmp_path / "kernel.so", dict(candidate.config)
    try:
        compile_candidate(
            workload.key, candidate.schedule, config, core_name, ("bias",), str(library)
        )
    except UserError as error:
        pytest.skip(str(error))
    static = static_facts.read(library, core_name)
    hot = max(static["loops"], key=lambda loop: loop["fmas"] / loop["instructions"])
    # Of a register tile, some steps of K at a time; nothing of it is spilled.
    assert hot["fmas"] % (config["mr"] * config["nr"] / 4) == 0
    assert hot["spills"] == hot["stored"] == hot["undecoded"] == 0
    assert 1 <= hot["cycles"] / (hot["fmas"] * 8 / core.peak_flops_per_cycle) < 1.5
    # What the code shows makes the least time longer, never shorter.
    space = Space(workload, core)
    assert space.least_s(candidate, static) > space.least_s(candidate, None) > 0


def test_without_a_disassembler_nothing_is_known(tmp_path):
    empty = tmp_path / "empty.so"
    empty.write_bytes(b"")
    assert static_facts.read(empty, "cortex-a17") is None
    assert all(math.isnan(value) for value in estimate.features(None))


@pytest.mark.parametrize("static", [{}, {"loops": 3}, {"loops": [{}]}, {"loops": [{"fmas": "x"}]}])
def test_facts_of_other_versions_are_left_alone(static):
    assert not estimate.is_readable(static)
    space = Space(Conv2dWorkload(1, 16, 14, 14, 24, 1, 1), hardware.core("cortex-a17"))
    known = KnownCode()
    known.add(space, space.defaults()[0], static)
    assert known.nearest(space, space.defaults()[0]) is None


def test_work_on_idle_rows_counts():
    workload = Conv2dWorkload(1, 16, 14, 14, 24, 1, 1)
    space = Space(workload, hardware.core("cortex-a17"))
    shared = next(c for c in space if c.config.get("share") == "channels")
    even, uneven = (
        Candidate(shared.schedule, shared.version, {**shared.config, "mr": mr}) for mr in (6, 4)
    )
    # 24 channels are four tiles of six, which the cores share evenly, and six of four.
    assert space.least_s(even, None) < space.least_s(uneven, None)


def test_code_is_known_by_its_tile_before_its_layer():
    core = hardware.core("cortex-a17")
    spaces = [Space(Conv2dWorkload(1, ci, 14, 14, 24, 1, 1), core) for ci in (16, 32)]
    mine, other = spaces
    gemm = [candidate for candidate in mine if candidate.schedule == "conv2d_gemm"]
    wanted = gemm[0]
    same_tile = next(c for c in gemm[1:] if mine.tile(c) == mine.tile(wanted))
    loop = dict.fromkeys(
        ("depth", "instructions", "cycles", "fmas", "loads", "stored", "spills"), 1
    )
    known = KnownCode()
    for space, candidate, mark in ((other, same_tile, 1), (mine, gemm[-1], 2)):
        known.add(space, candidate, {"loops": [loop], "mark": mark})
    assert mine.tile(gemm[-1]) != mine.tile(wanted)
    assert known.nearest(mine, wanted)["mark"] == 1
    known.add(mine, same_tile, {"loops": [loop], "mark": 3})
    assert known.nearest(mine, wanted)["mark"] == 3
    pack = next(c for c in mine if c.schedule == "conv2d_nchw_spatial_pack")
    assert known.nearest(mine, pack) is None
