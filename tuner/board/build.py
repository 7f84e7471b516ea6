"""Builds the RPC server and the emulator at first use, into the user's cache folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import platformdirs

from tuner.board import runtime_sources, toolchain
from tuner.board.objects import ObjectCache, Unit, run_compiler
from tuner.errors import UserError

_KEEP_S = 30 * 24 * 3600
_HERE = Path(__file__).parent
_SERVER = _HERE / "server"
_EMULATOR = _HERE / "emulator"
_ARITHMETIC = _HERE / "arithmetic"
_RUNNER = _HERE.parent / "export" / "runner"
_COMPAT = (_SERVER / "compat", _SERVER / "compat/src/runtime", _SERVER / "compat/src/runtime/rpc")

_COMMON_FLAGS = (
    *("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-ffunction-sections"),
    *("-fdata-sections", "-Wno-psabi", "-DNDEBUG"),
    "-D_FILE_OFFSET_BITS=64",  # else readdir() on a large disk returns nothing on armv7
    *("-DTVM_FFI_EXPORTS", "-DTVM_RUNTIME_EXPORTS"),
    *("-DTVM_FFI_USE_LIBBACKTRACE=0", "-DTVM_FFI_BACKTRACE_ON_SEGFAULT=0"),
    "-DTVM_FFI_CMAKE_LITTLE_ENDIAN=1",  # it cannot find out by itself with musl's headers
)
_RUNTIME_FLAGS = (*_COMMON_FLAGS, "-w")  # warnings in TVM's sources are not ours to mend
_OWN_FLAGS = (*_COMMON_FLAGS, "-Wall", "-Wextra")
_LINK_FLAGS = ("-static", "-s", "-Wl,--gc-sections", "-lpthread")
# No -march=native, and the model has integers only: cycles must not depend on the host. What the
# arithmetic computes must not either: a product and a sum stay two operations.
_PLUGIN_FLAGS = (
    *("-std=gnu11", "-O3", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"),
    "-ffp-contract=off",
)


def cache_folder() -> Path:
    """Where built programs live; TVM_ARM_SCHEDULES_CACHE overrides the user's cache folder."""
    if named := os.environ.get("TVM_ARM_SCHEDULES_CACHE"):
        return Path(named).expanduser()
    return Path(platformdirs.user_cache_dir("tvm-arm-schedules"))


def server_binary(isa: str, progress: bool = True) -> Path:
    """Path of the static RPC server for `isa`, built if it is not there yet.

    Raises:
        UserError: no compiler, the wrong TVM, a failed build, or an unusable cache folder.
    """
    tools = toolchain.find(isa)
    return build_program(
        "tvm_rpc_server",
        _server_units(),
        tools,
        link=lambda objects, output: [*tools.compiler, *objects, *_LINK_FLAGS, "-o", output],
        title=f"building the RPC server for {isa} (first use, about 1 minute)",
        progress=progress,
    )


def network_runner(isa: str, progress: bool = True) -> Path:
    """Path of the static program that runs an exported network, built if it is not there yet.

    It shares the server's objects: where the server was built it takes seconds. Raises as
    `server_binary` does.
    """
    tools = toolchain.find(isa)
    return build_program(
        "run",
        _runner_units(),
        tools,
        link=lambda objects, output: [*tools.compiler, *objects, *_LINK_FLAGS, "-o", output],
        title=f"building the runner for {isa} (seconds; about 1 minute at first use)",
        progress=progress,
    )


def emulator_plugin(progress: bool = True) -> Path:
    """Path of the QEMU plugin, built if it is not there yet; raises as `server_binary` does."""
    tools = toolchain.find_host()
    units = [
        Unit(path.stem, (path,), (_EMULATOR, _ARITHMETIC), flags=_PLUGIN_FLAGS, language="c")
        for path in sorted([*_EMULATOR.glob("*.c"), *_ARITHMETIC.glob("*.c")])
    ]
    return build_program(
        "libemulator.so",
        units,
        tools,
        link=lambda objects, output: [*tools.compiler, "-shared", *objects, "-lm", "-o", output],
        title="building the emulator (first use, some seconds)",
        progress=progress,
    )


def build_program(
    name: str,
    units: list[Unit],
    tools: toolchain.Toolchain,
    link: Callable[[list[str], str], list[str]],
    title: str,
    progress: bool,
) -> Path:
    """Compiles and links `units` unless a program of the same content is in the cache.

    Args:
        link: makes the link command from the objects and the output.
    """
    folder = cache_folder()
    with _cache_errors(folder):
        cache = ObjectCache(folder / "objects", tools)
        key = cache.key(units)
        program = folder / "programs" / key / name
        if program.exists():
            _touch(program.parent)
            return program
        program.parent.mkdir(parents=True, exist_ok=True)
        with _only_builder(folder / f"{key}.lock", title if progress else ""):
            if not program.exists():
                objects = cache.compile(units, title, progress)
                unfinished = program.with_suffix(".part")
                command = link([str(path) for path in objects], str(unfinished))
                run_compiler(command, name)
                unfinished.replace(program)
        _prune(folder)
    return program


def _touch(path: Path) -> None:
    """Note that it was used; a cache that may only be read is as good."""
    with contextlib.suppress(OSError):
        os.utime(path)


def _prune(folder: Path) -> None:
    """Remove programs that nobody used for a month, objects as old, and what a kill left behind."""
    oldest = time.time() - _KEEP_S
    for path in [*folder.glob("objects/*"), *folder.glob("programs/*")]:
        with contextlib.suppress(OSError):  # another process removes it too
            if path.stat().st_mtime >= oldest:
                continue
            if path.is_dir():
                shutil.rmtree(path)
                (folder / f"{path.name}.lock").unlink(missing_ok=True)
            else:
                path.unlink()


def _server_units() -> list[Unit]:
    own = [*sorted(_SERVER.glob("*.cc")), *sorted((_SERVER / "emulated").glob("*.cc"))]
    return [*_runtime_units(), *_own_units(own, (_SERVER, _EMULATOR))]


def _runner_units() -> list[Unit]:
    loader = [_SERVER / "elf_loader.cc", _SERVER / "elf_symbols.cc"]
    return [
        *_runtime_units(),
        *_own_units(loader, (_SERVER, _EMULATOR)),
        *_own_units(sorted(_RUNNER.glob("*.cc")), (_RUNNER, _SERVER)),
    ]


def _runtime_units() -> list[Unit]:
    runtime = runtime_sources.find()
    include = (*_COMPAT, *runtime.include)
    flags = _RUNTIME_FLAGS + _version_flags()
    return [
        Unit(name, tuple(files), include=include, flags=flags)
        for name, files in runtime.groups.items()
    ]


def _own_units(files: list[Path], include: tuple[Path, ...]) -> list[Unit]:
    system_include = (*_COMPAT, *runtime_sources.find().include)
    flags = _OWN_FLAGS + _version_flags()
    return [Unit(path.stem, (path,), include, system_include, flags) for path in files]


def _version_flags() -> tuple[str, ...]:
    """The server tells it to clients; and a new version compiles everything anew."""
    return (f'-DSERVER_TVM_VERSION="{runtime_sources.find().version}"',)


@contextlib.contextmanager
def _only_builder(path: Path, title: str) -> Iterator[None]:
    """Two processes that need the same program build it once; the other one waits, and says so."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if title:
            print(f"waiting for another process: {title}", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _cache_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot use the cache folder {folder}: {error.strerror or error}",
            "free some disk space, or set TVM_ARM_SCHEDULES_CACHE to a folder of yours",
        ) from error
