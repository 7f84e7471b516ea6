"""A network built for a board, by our schedules and by TVM alone."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import tvm
from tvm import relax
from tvm.ir import GenericConst
from tvm.target import Target

import schedules
from schedules.hardware import Board
from tuner.board import link
from tuner.network_run import Configs
from tuner.networks import Network


def build(
    network: Network,
    board: Board,
    configs: Configs | None,
    library: Path,
    threads: int | None = None,
    pool_in_place: bool = True,
) -> tvm.IRModule:
    """Build `network` with our schedules into `library`; return its lowered Relax module.

    Args:
        configs: to use where they fit, hand-picked ones elsewhere; None: what `import schedules`
            alone gives, the shipped tuned records.
        threads: on which it will run; None: one a core of the board.
        pool_in_place: see `schedules.pipeline`.
    """
    target = schedules.target(board.name, threads)
    passes = schedules.pipeline(target, pool_in_place=pool_in_place)
    chosen: AbstractContextManager[None] = nullcontext()
    if configs is not None:
        chosen = schedules.using(configs)
    with chosen:
        return _build(network, board, target, passes, library)


def build_default(network: Network, board: Board, library: Path) -> tvm.IRModule:
    """Build `network` as `relax.build` does without this project; return its lowered module."""
    with schedules.unregistered():
        target = schedules.target(board.name)
        return _build(network, board, target, relax.get_pipeline("default"), library)


def held_bytes(lowered: tvm.IRModule) -> int:
    """Bytes that a build holds between inferences: its constants, and storage for its tensors."""
    total = 0
    for block in lowered["main"].body.blocks:
        for binding in block.bindings:
            call = binding.value
            if not isinstance(call, relax.Call):
                continue
            if isinstance(call.op, tvm.ir.Op) and call.op.name == "relax.vm.alloc_storage":
                total += int(call.args[0].values[0])
            for argument in call.args:
                if isinstance(argument, GenericConst) and hasattr(argument.value, "numpy"):
                    total += argument.value.numpy().nbytes
    return total


def _build(
    network: Network, board: Board, target: Target, pipeline: tvm.transform.Pass, library: Path
) -> tvm.IRModule:
    lowered: list[tvm.IRModule] = []

    @tvm.transform.module_pass(opt_level=0, name="KeepLowered")
    def keep(module: tvm.IRModule, _context: tvm.transform.PassContext) -> tvm.IRModule:
        lowered.append(pipeline(module))
        return lowered[-1]

    built = relax.build(network.module, target, relax_pipeline=keep)
    built.export_library(str(library), fcompile=link.fcompile(board.core.isa))
    return lowered[-1]
