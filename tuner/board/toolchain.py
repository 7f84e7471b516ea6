"""Finds a C++ compiler and a linker for a board's instruction set."""

from __future__ import annotations

import functools
import importlib.util
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import UserError


@dataclass(frozen=True)
class Toolchain:
    """How to make programs and kernel libraries for one instruction set.

    Attributes:
        isa: "armv7", "aarch64", or "host" for the machine we run on.
        compiler: command that compiles and links C++ (C for "host"), with its target flags.
        linker: command of the bare linker: kernel libraries need neither libc nor start files.
        identity: what the compiler says of its own version; part of every cache key.
    """

    isa: str
    compiler: tuple[str, ...]
    linker: tuple[str, ...]
    identity: str


@dataclass(frozen=True)
class _Isa:
    variable: str  # environment variable that names a compiler
    debian: str  # Debian's cross compiler
    package: str  # and its package
    zig_target: tuple[str, ...]


_ISAS = {
    # cortex_a7 is the least capable core with NEON and VFPv4 that we serve.
    "armv7": _Isa(
        variable="TVM_ARM_CXX_ARMV7",
        debian="arm-linux-gnueabihf-g++",
        package="g++-arm-linux-gnueabihf",
        zig_target=("-target", "arm-linux-musleabihf", "-mcpu=cortex_a7"),
    ),
    "aarch64": _Isa(
        variable="TVM_ARM_CXX_AARCH64",
        debian="aarch64-linux-gnu-g++",
        package="g++-aarch64-linux-gnu",
        zig_target=("-target", "aarch64-linux-musl"),
    ),
}


def isas() -> list[str]:
    """Names of the instruction sets we can build for."""
    return list(_ISAS)


def debian_tool(isa: str, tool: str) -> str:
    """Name of a program of Debian's cross toolchain, e.g. `aarch64-linux-gnu-objdump`."""
    return _ISAS[isa].debian.replace("g++", tool)


@functools.cache
def find(isa: str) -> Toolchain:
    """The toolchain for `isa`: the environment's, else Debian's cross compiler, else ziglang's.

    Raises:
        UserError: there is none, or the one named in the environment does not run.
    """
    facts = _ISAS[isa]
    if named := os.environ.get(facts.variable):
        return _from_environment(isa, facts.variable, named)
    if path := shutil.which(facts.debian):
        return _gcc_like(isa, (path,))
    if zig := _zig():
        return Toolchain(
            isa, (zig, "c++", *facts.zig_target), (zig, "ld.lld"), _output(zig, "version")
        )
    raise UserError(
        f"no C++ compiler for {isa} found ({facts.debian} or ziglang)",
        f"apt-get install {facts.package}, or pip install ziglang, or set {facts.variable}",
    )


@functools.cache
def find_host() -> Toolchain:
    """A C compiler for the machine we run on; the emulator plugin is loaded into QEMU here."""
    if named := os.environ.get("TVM_ARM_HOST_CC"):
        return _from_environment("host", "TVM_ARM_HOST_CC", named)
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return _gcc_like("host", (path,))
    if zig := _zig():
        return Toolchain("host", (zig, "cc"), (zig, "ld.lld"), _output(zig, "version"))
    raise UserError(
        "no C compiler for this machine found (cc, gcc, clang or ziglang)",
        "apt-get install gcc, or pip install ziglang, or set TVM_ARM_HOST_CC",
    )


def _from_environment(isa: str, variable: str, text: str) -> Toolchain:
    try:
        return _gcc_like(isa, tuple(shlex.split(text)))
    # An unclosed quote is a ValueError, no version an IndexError.
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError) as error:
        raise UserError(
            f"{variable} is set to '{text}', which does not run as a compiler",
            f"set {variable} to a command like g++, or unset it",
        ) from error


def _gcc_like(isa: str, command: tuple[str, ...]) -> Toolchain:
    """g++ and clang++ both name the linker that belongs to them."""
    linker = _output(*command, "-print-prog-name=ld")
    version = _output(*command, "--version").splitlines()[0]
    return Toolchain(isa, command, (linker,), " ".join([*command[1:], version]))


def _zig() -> str | None:
    spec = importlib.util.find_spec("ziglang")
    candidates: Iterator[Path] = (
        Path(folder) / "zig" for folder in (spec and spec.submodule_search_locations) or ()
    )
    return next((str(path) for path in candidates if path.exists()), None)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
