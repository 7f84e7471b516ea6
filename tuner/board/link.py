"""Links kernel libraries for a board."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from tuner.board import toolchain
from tuner.errors import UserError


def fcompile(isa: str) -> Callable[..., None]:
    """The linking step for `export_library(path, fcompile=...)`.

    The bare linker joins the objects and nothing else: the server's own loader provides what
    kernels call, so a library depends neither on the libc of the board nor on a sysroot here.
    """
    linker = toolchain.find(isa).linker

    def link(output: str, objects: list[str], options: list[str] | None = None) -> None:
        command = [*linker, "-shared", "-o", str(output), *(options or []), *map(str, objects)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            lines = (result.stderr or result.stdout).strip().splitlines() or ["no message"]
            raise UserError(
                f"linking a kernel for {isa} failed: {lines[0]}",
                "check that the TVM target has the triple of this board's instruction set",
            )

    return link
