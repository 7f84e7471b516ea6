"""A session that a starting board serves before any other, so that those take less time.

QEMU translates code when it first runs, and our plugin decodes it; a session, which is a fork of
the server, would do so anew for everything that serves it: 0.11 of the 0.17 s of a small trial.
"""

from __future__ import annotations

from pathlib import Path

from tuner.board import build, toolchain
from tuner.board.objects import Unit

_SOURCE = Path(__file__).with_name("library.c")
_KEY = "rehearsal"  # rehearsal.cc
_TIME_LIMIT_S = 60.0


def library(isa: str) -> Path:
    """Path of a library with a kernel that does nothing, built if it is not there yet.

    Raises:
        UserError: no compiler, a failed build, or an unusable cache folder.
    """
    tools = toolchain.find(isa)
    return build.build_program(
        "rehearsal.so",
        [Unit(_SOURCE.stem, (_SOURCE,), flags=("-O1", "-fPIC"), language="c")],
        tools,
        link=lambda objects, output: [*tools.linker, "-shared", "-o", output, *objects],
        title="",
        progress=False,
    )


def rehearse(port: int, library: Path) -> None:
    """Be the server's client, on `port` of this machine: do what a trial does, but time nothing.

    What the emulator counts in timed runs would be in the profile of every later session.
    """
    import numpy as np  # with TVM this takes a second, which not every user of a board needs
    import tvm

    from tuner.board import session

    remote = tvm.rpc.connect("127.0.0.1", port, _KEY, session_timeout=_TIME_LIMIT_S)
    remote.upload(str(library))
    module = remote.load_module(library.name)
    device = remote.cpu(0)
    tensor = tvm.runtime.tensor(np.zeros((1, 16), np.float32), device=device)
    timer = module.time_evaluator(
        "main", device, number=1, repeat=1, f_preproc="cache_flush_cpu_non_first_arg"
    )
    session.set_cycle_budget(remote, 0)
    module["main"](tensor)
    tensor.numpy()
    # Whatever the server still had would be part of every session.
    del timer, tensor, module
    session.close(remote)
