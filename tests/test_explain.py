"""`python -m tuner explain`: which loops are hot, and what limits them."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from board_kernels import matmul, matmul_arrays, on_board, session_with
from test_emulator_model import FLAGS, HEADERS, KERNELS

from schedules import hardware
from tuner import cli
from tuner.board import build, launch, profile, toolchain
from tuner.board.emulator import params
from tuner.board.session import counters

BLOCK = (
    "block {address:#x} end {end:#x} cycles {cycles} executions 10 mispredicts 1 each 0.00 "
    "steady {steady} resources 6.00 issue {issue} arithmetic {arithmetic} memory 2.00\n"
    "  first\tL2 3\tDRAM 1\n"
    "  second\n"
)


def read(tmp_path, *blocks: dict) -> profile.Profile:
    defaults = {"cycles": 100, "steady": "8.00", "issue": "3.00", "arithmetic": "6.00"}
    path = tmp_path / "profile.txt"
    path.write_text("profile cycles 400\n" + "".join(BLOCK.format(**defaults | b) for b in blocks))
    return profile.read(path)


def test_shares_add_up(tmp_path):
    (loop,) = read(tmp_path, {"address": 0x1000, "end": 0x1010}).loops
    assert loop.limits() == pytest.approx(
        {"arithmetic pipes": 0.6, "results waited for": 0.2, "memory and the rest": 0.2}
    )
    assert loop.event_counts == {"L2": 3, "DRAM": 1}
    assert [each.text for each in loop.instructions] == ["first", "second"]


@pytest.mark.parametrize(
    "needs, name",
    [
        ({"issue": "5.90", "arithmetic": "6.00"}, "instructions per cycle"),
        ({"arithmetic": "4.00"}, "issue rules (arithmetic pipes most)"),
        ({"arithmetic": "1.00"}, "issue rules (load/store pipes most)"),
    ],
)
def test_the_resource_that_is_named(tmp_path, needs, name):
    (loop,) = read(tmp_path, {"address": 0x1000, "end": 0x1010, **needs}).loops
    assert loop.busiest() == name


def test_straight_line_code_is_put_together(tmp_path):
    joined, alone = read(
        tmp_path,
        {"address": 0x2000, "end": 0x2010},
        {"address": 0x1010, "end": 0x1020},
        {"address": 0x1000, "end": 0x1010},
    ).loops
    assert (joined.address, joined.end, joined.cycles) == (0x1000, 0x1020, 200)
    assert joined.steady == 16
    assert len(joined.instructions) == 4
    assert alone.address == 0x2000


@pytest.mark.parametrize(
    "options, phrase",
    [
        (["--layer", "fire2_expand3x4"], "did you mean 'fire2_expand3x3'?"),
        (["--layer", "conv1", "--schedule", "conv2d_gem"], "conv2d_nchw_spatial_pack"),
        (["--layer", "conv1", "--config", "{"], "takes a JSON object"),
        (["--layer", "conv1", "--config", '{"mr": 1000}'], "is no config of"),
        (["--layer", "conv1", "--log", "no.jsonl"], "cannot read the log"),
        (["--layer", "conv1", "--log", "x", "--config", "{}"], "leave out"),
    ],
)
def test_bad_input(capsys, options, phrase):
    with pytest.raises(SystemExit) as stop:
        cli.main(["explain", "squeezenet", "--target", "rk3288", *options])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert phrase in error
    assert error.count("\n") == 1


@pytest.mark.board
@pytest.mark.parametrize("name", ["rk3288", "rasp3b-64", "rpi4"])
def test_limits_of_kernels_made_for_them(name, tmp_path):
    board = hardware.board(name)
    program, table, output = (tmp_path / file for file in ("program", "table", "profile"))
    flags = [*FLAGS[board.core.isa], "-x", "c", "-O2", "-static", f"-I{HEADERS}"]
    compiler = toolchain.find(board.core.isa).compiler
    subprocess.run([*compiler, *flags, str(KERNELS), "-o", str(program)], check=True)
    params.write(board, table)
    plugin = f"{build.emulator_plugin()},params={table},profile={output}"
    qemu = launch.find_qemu(board.core.isa)
    subprocess.run(
        [qemu, "-plugin", plugin, program], env={}, stdout=subprocess.DEVNULL, check=True
    )
    loops = profile.read(output).loops
    limits = [loop.limits() for loop in loops]

    def most(cause: str) -> float:
        return max(each.get(cause, 0) for each in limits)

    assert most("results waited for") > 0.6  # one FMA waits for the one before
    assert most("arithmetic pipes") > 0.9  # independent FMAs
    worst = max(loops, key=lambda loop: loop.limits()["memory and the rest"] * loop.cycles)
    assert worst.limits()["memory and the rest"] > 0.5  # chases pointers or overwrites memory
    assert {"DRAM", "store", "stream"} & worst.event_counts.keys()


UNKNOWN = r"""
#include "guest_calls.h"
int main(void) {
  guest_call(GUEST_BEGIN, 0, 0);
  for (volatile int i = 0; i < 9; i++) __asm__ volatile(%s : : : "v0");
  static uint64_t result[GUEST_RESULT_WORDS];
  guest_call(GUEST_END, result, 0);
  return (int)result[GUEST_UNDECODED];
}
"""
SHA256H = {
    "aarch64": ("-march=armv8-a+crypto", "sha256h q0, q0, v0.4s"),
    "armv7": ("-mfpu=crypto-neon-fp-armv8", "sha256h.32 q0, q0, q0"),
}


@pytest.mark.board
@pytest.mark.parametrize("name", ["rk3288", "rasp3b-64"])
def test_an_instruction_the_model_does_not_know_is_counted_and_named(name, tmp_path):
    board = hardware.board(name)
    program, table, output = (tmp_path / file for file in ("program", "table", "profile"))
    flag, text = SHA256H[board.core.isa]
    source = UNKNOWN % f'"{text}"'
    if board.core.isa == "armv7":
        source = source.replace('"v0"', '"q0"')
    command = [*toolchain.find(board.core.isa).compiler, *FLAGS[board.core.isa], flag, "-x", "c"]
    command += ["-D_GNU_SOURCE", "-O1", "-static", f"-I{HEADERS}", "-", "-o", str(program)]
    subprocess.run(command, input=source, text=True, check=True)
    params.write(board, table)
    plugin = f"{build.emulator_plugin()},params={table},profile={output},report=on"
    qemu = launch.find_qemu(board.core.isa)
    done = subprocess.run(
        [qemu, "-cpu", "max", "-plugin", plugin, program], env={}, capture_output=True, text=True
    )
    assert done.returncode == 9
    assert f"emulator: undecoded instruction: {text}" in done.stderr
    unknown = [
        each
        for loop in profile.read(output).loops
        for each in loop.instructions
        if "undecoded" in each.events
    ]
    assert [(each.text, each.events["undecoded"]) for each in unknown] == [(text, 9)]


@pytest.mark.board
def test_profiling_changes_no_cycle(board):
    a, b, expected = matmul_arrays()
    library = matmul(board.board.core.isa)
    cycles = []
    with launch.EmulatedBoard(board.board, profile=True) as profiled:
        for each in (board, profiled):
            with session_with(each, library) as (session, module):
                tensors = on_board(session, a, b, np.zeros(expected.shape, "float32"))
                module.time_evaluator("main", session.cpu(0), f_preproc="")(*tensors)
                cycles.append(counters(session)["cycles"])
        result = profiled.read_profile()
    assert cycles[0] == cycles[1]
    assert sum(loop.cycles for loop in result.loops) <= result.cycles
    texts = [each.text for loop in result.loops for each in loop.instructions]
    assert any("vadd" in text or "fadd" in text for text in texts)


@pytest.mark.board
def test_explain_names_what_limits_a_layer(capsys):
    command = ["explain", "squeezenet", "--target", "cortex-a17", "--layer", "fire2_squeeze"]
    cli.command_line.main(command, standalone_mode=False)
    printed = capsys.readouterr().out
    assert "fire2_squeeze: 1x1 64->16 @55x55" in printed
    assert "(emulated, timing model v" in printed
    assert "arithmetic pipes" in printed and "vmla.f32" in printed
    shown = json.loads(printed.splitlines()[0].split(" ", 5)[-1].partition(" ")[2])
    config = json.dumps({"mr": shown["mr"]})
    cli.command_line.main([*command, "--config", config, "--loops", "1"], standalone_mode=False)
    assert "1. " in capsys.readouterr().out
