"""Micro-kernels: their assembly, what LLVM makes of them, and their sums on the boards."""

from __future__ import annotations

import os
import re
from pathlib import Path

import host
import numpy as np
import pytest
import tvm

import schedules
from schedules import Conv2dWorkload
from schedules.hardware import board, boards, core, cores
from schedules.microkernels import kernel, tiles
from schedules.microkernels.inline_asm import InlineAsmKernel
from tuner.board import link

GOLDEN = Path(__file__).with_name("golden")
_FMA = re.compile(r"\b(vmla\.f32|fmla)\b")
# A vector register that goes to or comes from the stack.
_SPILL = re.compile(r"\b(?:(?:ld|st)[rp]\s+[qdsv]\d|v(?:ld|st)).*\[sp\b")
_LABEL = re.compile(r"^\s*(\.?L\w+|1):")
_BRANCH = re.compile(r"^\s*(?:b\w*(?:\.\w+)?|cbn?z|tbn?z)\s+.*?(\.?L\w+|1b)$")

ALL_TILES = [(name, *tile) for name in cores() for tile in tiles(core(name))]


def _asm_kernels() -> list:
    """Every kernel written in assembly, once for each text that K makes a difference to."""
    by_symbol = {}
    for name, mr, nr in ALL_TILES:
        made = kernel(core(name), mr, nr)
        if isinstance(made, InlineAsmKernel):
            by_symbol.update({made.symbol(k): (made, k) for k in (64, 65)})
    return [pytest.param(*each, id=symbol) for symbol, each in by_symbol.items()]


@pytest.mark.parametrize(("made", "k"), _asm_kernels())
def test_the_assembly_is_what_was_reviewed(made, k):
    """Golden files; `UPDATE_GOLDEN=1 pytest tests/test_microkernels.py` rewrites them."""
    path = GOLDEN / f"{made.symbol(k)}.golden"
    text = "\n".join(made.lines(k)) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


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


@pytest.mark.parametrize(("core_name", "mr", "nr"), ALL_TILES)
def test_the_hot_loop_does_not_spill(core_name, mr, nr):
    workload = Conv2dWorkload(1, 64, 13, 13, 24, 1, 1)
    config = {"mr": mr, "nr": nr, "block": 1, "share": "pixels", "panel": "packed"}
    module, _ = schedules.conv2d_module(workload, "conv2d_gemm", config, core(core_name))
    built = tvm.compile(module, target=schedules.target(core_name))
    loop = _hot_loop(built.mod.inspect_source("asm"))
    assert _count(loop) >= mr * nr // 4, "the loop was found"
    assert not [line for line in loop if _SPILL.search(line)]


@pytest.mark.parametrize("core_name", cores())
def test_a_tile_that_does_not_exist_is_refused(core_name):
    with pytest.raises(ValueError, match=f"no 5x5 micro-kernel on {core_name}: there are"):
        kernel(core(core_name), 5, 5)


@pytest.mark.board
@pytest.mark.parametrize("board_name", boards())
def test_sums_of_every_tile_on_the_board(board_name, running_board, tmp_path):
    """Packed and read in place, K even and odd and short, rows and pixels to spare."""
    the_core = board(board_name).core
    gemm = schedules.get("conv2d_gemm")
    session = running_board(board_name).connect(60)
    for ci in (1, 2, 13, 16):
        workload = Conv2dWorkload(1, ci, 5, 9, 13, 1, 1)
        data, weight, bias = host.random_arrays(workload)
        exact = host.expected(workload, data, weight, bias)
        for mr, nr in tiles(the_core):
            for panel in ("packed", "in_place"):
                config = {"mr": mr, "nr": nr, "block": 2, "share": "pixels", "panel": panel}
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
