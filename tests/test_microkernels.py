"""Micro-kernels: their assembly, what LLVM makes of them, and their sums on the boards."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from pathlib import Path
from types import SimpleNamespace

import asm_interpreter
import host
import numpy as np
import pytest
import tvm

import schedules
from schedules import Conv2dWorkload, FireWorkload
from schedules.hardware import board, core, cores
from schedules.lowering.emit import Emitter
from schedules.microkernels import kernel, tiles
from schedules.microkernels.base import Ahead
from schedules.microkernels.pipelined import PipelinedKernel
from tuner import networks, tasks
from tuner.board import link
from tuner.board.emulator.static import CoreModel
from tuner.errors import UserError

GOLDEN = Path(__file__).with_name("golden")
_FMA = re.compile(r"\b(vmla\.f32|fmla)\b")
_STACK = re.compile(r"\[sp\b|\b(?:push|pop|vpush|vpop)\b")
_LABEL = re.compile(r"^\s*(\.?L\w+|1):")
_BRANCH = re.compile(r"^\s*(?:b\w*(?:\.\w+)?|cbn?z|tbn?z)\s+.*?(\.?L\w+|1b)$")

ALL_TILES = [(name, *tile) for name in cores() for tile in tiles(core(name))]


ASM_KERNELS = [
    made
    for name, mr, nr in ALL_TILES
    if isinstance(made := kernel(core(name), mr, nr), PipelinedKernel)
]
# Cycles of a 4-lane multiply-accumulate in the loops of the tiles that hand-picked configs take:
# the bars of the project, and 5 % above what the FP pipes take where that is what counts.
BARS = {
    "cortex-a53": 1.35,
    "cortex-a53-32": 1.45,
    "cortex-a72": 1.05,
    "cortex-a17": 2.0 * 1.05,
    "cortex-a7": 4.0 * 1.05,
}
# Loads of 64 bits alone take 1.375 in this tile; it is for maps that fill no larger one.
BAR_OF_TILE = {("cortex-a53", 8, 4): 1.55}


@pytest.mark.parametrize("made", ASM_KERNELS, ids=lambda made: made.name)
def test_the_assembly_is_what_was_reviewed(made):
    """Golden files; `UPDATE_GOLDEN=1 pytest tests/test_microkernels.py` rewrites them."""
    path = GOLDEN / f"{made.name}.golden"
    text = "\n".join(made.lines(64)) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("k", range(1, 11))
@pytest.mark.parametrize("made", ASM_KERNELS, ids=lambda made: made.name)
def test_the_assembly_computes_the_sums_and_reads_nothing_else(made, k):
    random = np.random.default_rng(k)
    weights, pixels = random.integers(-9, 9, (k, made.mr)), random.integers(-9, 9, (k, made.nr + 4))
    result = asm_interpreter.run(made, weights, pixels)
    np.testing.assert_array_equal(result, weights.T @ pixels[:, : made.nr])


def _hot_loop(assembly: str) -> list[str]:
    """The innermost loop with the most multiply-accumulates."""
    lines = [re.split(r"\s*(?://|@)", line)[0].rstrip() for line in assembly.splitlines()]
    labels: dict[str, int] = {}
    best: list[str] = []
    for i, line in enumerate(lines):
        if label := _LABEL.match(line):
            labels[label[1]] = i
        if (branch := _BRANCH.match(line)) and (name := branch[1].removesuffix("b")) in labels:
            body = lines[labels[name] + 1 : i]
            inner = any(_LABEL.match(each) for each in body)
            if not inner and _count(body) > _count(best):
                best = body
    return best


def _count(lines: list[str]) -> int:
    return sum(bool(_FMA.search(line)) for line in lines)


@functools.cache
def _compiled_loop(core_name: str, mr: int, nr: int) -> list[str]:
    workload = Conv2dWorkload(1, 64, 13, 13, 24, 1, 1)
    config = {
        "mr": mr,
        "nr": nr,
        "block": 1,
        "share": "pixels",
        "panel": "packed",
        "parts": 1,
        "tail": 0,
    }
    module, _ = schedules.conv2d_module(workload, "conv2d_gemm", config, core(core_name))
    built = tvm.compile(module, target=schedules.target(core_name))
    loop = _hot_loop(built.mod.inspect_source("asm"))
    assert _count(loop) >= mr * nr // 4, "the loop was found"
    return loop


@pytest.mark.parametrize(("core_name", "mr", "nr"), ALL_TILES)
def test_the_hot_loop_does_not_spill(core_name, mr, nr):
    assert not [line for line in _compiled_loop(core_name, mr, nr) if _STACK.search(line)]


def _default_tiles(the_core) -> set[tuple[int, int]]:
    found = set()
    # By name: other tests register networks of their own, whose odd shapes need other tiles.
    for name in ("squeezenet", "squeezenet1.0", "mobilenet", "resnet18"):
        for task in tasks.extract(networks.get(name).module):
            if isinstance(task.workload, FireWorkload):
                continue  # its convolutions are tasks of their own
            with schedules.using({}):
                chosen = schedules.choose(task.workload, the_core)
            config = chosen[1] if chosen else {}
            if "mr" in config:
                found.add((config["mr"], config.get("nr") or config["vh"] * config["vw"]))
    return found


@pytest.mark.parametrize("core_name", cores())
def test_loops_of_hand_picked_tiles_meet_their_bars(core_name):
    model = _model(core_name)
    branch = {"aarch64": "b.ne 1b", "armv7": "bne 1b"}[core(core_name).isa]
    found = _default_tiles(core(core_name))
    assert found
    for mr, nr in found:
        loop = [line.strip() for line in _compiled_loop(core_name, mr, nr)]
        timed = model.loop([*(line for line in loop if line and line[0] != "."), branch])
        assert timed.undecoded == 0
        bar = BAR_OF_TILE.get((core_name, mr, nr), BARS[core_name])
        assert timed.cycles / _count(loop) <= bar, f"{mr}x{nr}"


def _model(core_name: str) -> CoreModel:
    try:
        return CoreModel(board(core(core_name).usual_board), progress=False)
    except UserError as error:
        pytest.skip(str(error))


def test_moves_that_no_measurement_shows_are_only_counted_on_where_the_table_says_so():
    a53 = core("cortex-a53")
    figure = dataclasses.replace(a53.figures["kernel_moves_per_cycle"], value=2)
    switched = dataclasses.replace(a53, figures={**a53.figures, "kernel_moves_per_cycle": figure})
    assert not any("fmov" in line for line in kernel(a53, 8, 8).lines(64))
    made = kernel(switched, 8, 8)
    assert any("fmov" in line for line in made.loop())
    assert made.turn() == made.body(), "the stored order is of another body"


@pytest.mark.parametrize("core_name", cores())
def test_a_tile_that_does_not_exist_is_refused(core_name):
    with pytest.raises(ValueError, match=f"no 5x5 micro-kernel on {core_name}: there are"):
        kernel(core(core_name), 5, 5)


@pytest.mark.board
@pytest.mark.parametrize("core_name", cores())
def test_sums_of_every_tile_on_the_board(core_name, running_board, tmp_path):
    """Packed and read in place, K short and with every rest, rows and pixels to spare."""
    the_core = core(core_name)
    board_name = the_core.usual_board
    gemm = schedules.get("conv2d_gemm")
    session = running_board(board_name).connect(60)
    for ci in (1, 2, 7, 17):
        workload = Conv2dWorkload(1, ci, 5, 9, 13, 1, 1)
        data, weight, bias = host.random_arrays(workload)
        exact = host.expected(workload, data, weight, bias)
        for mr, nr in tiles(the_core):
            for panel in ("packed", "in_place"):
                config = {
                    "mr": mr,
                    "nr": nr,
                    "block": 2,
                    "share": "pixels",
                    "panel": panel,
                    "parts": 1,
                    "tail": 0,
                }
                assert config in gemm.space(workload, the_core)
                module, pack = schedules.conv2d_module(workload, gemm.name, config, the_core)
                library = tmp_path / f"k{ci}_{mr}x{nr}_{panel}.so"
                built = tvm.compile(module, target=schedules.target(board_name))
                built.export_library(str(library), fcompile=link.fcompile(the_core.isa))
                session.upload(str(library))
                device = session.cpu(0)
                result = tvm.runtime.tensor(np.full(exact.shape, np.nan, np.float32), device)
                arguments = [tvm.runtime.tensor(a, device) for a in (data, pack(weight), bias)]
                session.load_module(library.name)["main"](*arguments, result)
                host.assert_close(result.numpy(), exact)


@pytest.mark.parametrize("there_is", [True, False])
@pytest.mark.parametrize(
    "made", [made for made in ASM_KERNELS if made.has_ahead], ids=lambda made: made.name
)
def test_where_there_is_nothing_to_fetch_the_other_lines_are_fetched(made, there_is):
    e = Emitter()
    buffer = tvm.tirx.decl_buffer((4096,), "float32", "all")
    k, condition = 8 * made.turns(64), tvm.tirx.const(there_is, "bool")
    other = Ahead(buffer, 100, 56, lines=made.turns(k) - 1)  # too few for so many turns
    ahead = Ahead(buffer, 200, 48, condition=condition, otherwise=other)
    at = (buffer, 0)
    conv = SimpleNamespace(e=e, import_llvm=lambda *_: None)
    made.emit(conv, e.registers("sums", made.mr * made.nr), weights=at, pixels=at, row_stride=4,
              k=k, ahead=ahead)  # fmt: skip
    *_, call = e.body().seq
    simplify = tvm.sym.Analyzer().simplify
    numbers = [simplify(each) for each in call.value.args[1:] if not isinstance(each, tvm.ir.Call)]
    *constants, is_other = [int(number) for number in numbers]
    assert is_other == (not there_is)
    assert (4 * 48 in constants) == there_is and 4 * 56 not in constants
    (choice,) = [line for line in made.llvm_ir(k).splitlines() if "select" in line]
    assert choice.split("=")[1].split()[3:] == ["ptr", "%other,", "ptr", "%ahead"]
