"""From names of cores and boards to TVM targets, and back from a target to the core it means."""

from __future__ import annotations

import tvm
from tvm.target import Target

from .. import hardware
from ..hardware import Core

_TAG = "arm/{}"


def target(name: str, threads: int | None = None) -> Target:
    """The TVM target of a core or board, e.g. "cortex-a17" or "rk3288".

    Args:
        threads: on how many the build will run, TVM_NUM_THREADS; None: one a core of the board. It
            is the target's `num-cores`. More threads at run time may find no work in some
            functions.

    Raises:
        ValueError: `threads` is not positive.
        schedules.hardware.HardwareError: no table has that name.
    """
    board = hardware.resolve(name)
    if threads is not None and threads < 1:
        raise ValueError(f"a build runs on one thread or more, not on {threads}")
    return Target({**board.core.llvm, "num-cores": threads or board.cores})


def register_tags() -> None:
    """Makes every core a target tag: `Target("arm/cortex-a17")`."""
    for name in hardware.cores():
        tvm.target.register_tag(_TAG.format(name), target(name).export(), override=True)


def threads_of(tvm_target: Target | None) -> int | None:
    """On how many threads a build for a target will run; None where it does not say."""
    cores = tvm_target.export().get("num-cores") if tvm_target is not None else None
    return None if cores is None else int(cores)


def current_threads() -> int | None:
    """The same of the target that is built for now."""
    return threads_of(Target.current(allow_none=True))


def core_of(tvm_target: Target | None) -> Core | None:
    """The core whose schedules serve a target: its own by `mcpu`, else a relative.

    The relative of an unknown core is an out-of-order one of the same instruction set, whose
    kernels hang least on the order of instructions. None for targets that are no ARM CPU with NEON.
    """
    if tvm_target is None or tvm_target.kind.name != "llvm":
        return None
    attrs = tvm_target.export()
    arch, mcpu = str(attrs.get("mtriple", "")).split("-", 1)[0], str(attrs.get("mcpu", ""))
    if arch in ("aarch64", "arm64"):
        isa = "aarch64"
    elif arch.startswith("arm") and "+neon" in list(attrs.get("mattr", [])):
        isa = "armv7"
    else:
        return None
    family = [core for core in map(hardware.core, hardware.cores()) if core.isa == isa]
    for core in family:
        if core.llvm["mcpu"] == mcpu:
            return core
    # "arm" alone may be an ARMv5, which has none of these instructions.
    if isa == "armv7" and not arch.startswith(("armv7", "armv8")):
        return None
    return next(core for core in family if core.pipeline == "out-of-order")
