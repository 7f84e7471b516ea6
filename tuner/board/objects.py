"""Compiles C and C++ with a cache of finished objects, keyed by content.

An interrupted or repeated build continues where it stopped; two builds share what they have in
common.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from tuner.board.toolchain import Toolchain
from tuner.errors import UserError

# A compiler takes about half a gigabyte for the largest unit.
_MAX_JOBS = 4
_HEADERS = (".h", ".hpp")


@dataclass(frozen=True)
class Unit:
    """One run of the compiler.

    Attributes:
        name: for messages.
        sources: compiled together as if they were one file.
        include: folders of headers; their headers' content is part of the key.
        system_include: the same, for headers whose warnings are not ours to mend.
        flags: everything else the compiler is told.
        language: "c++" or "c".
    """

    name: str
    sources: tuple[Path, ...]
    include: tuple[Path, ...] = ()
    system_include: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    language: str = "c++"

    def text(self) -> str:
        """What is compiled."""
        return "".join(f'#include "{path}"\n' for path in self.sources)


@dataclass
class ObjectCache:
    """Finished objects in a folder, and the compiler that makes missing ones."""

    folder: Path
    toolchain: Toolchain
    _digests: dict[Path, str] = field(default_factory=dict)

    def path(self, unit: Unit) -> Path:
        """Where the object of `unit` is, or will be. Moving the sources does not change it."""
        key = _digest(
            [self.toolchain.isa, self.toolchain.identity, unit.language, *unit.flags, _SAME_NAMES]
            + [hashlib.sha256(path.read_bytes()).hexdigest() for path in unit.sources]
            + [self._headers_digest(path) for path in unit.include + unit.system_include]
        )
        return self.folder / f"{key}.o"

    def key(self, units: Iterable[Unit]) -> str:
        """One key for a program made of these units."""
        return _digest([self.path(unit).name for unit in units])

    def compile(self, units: list[Unit], title: str, progress: bool) -> list[Path]:
        """Compiles the missing ones in parallel, behind a bar on stderr; returns all objects.

        Raises:
            UserError: the compiler failed; the message holds its first error.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        # Longest first, so that no core idles at the end.
        missing = sorted(
            (unit for unit in units if not self.path(unit).exists()), key=_weight, reverse=True
        )
        jobs = max(1, min(_MAX_JOBS, os.cpu_count() or 1))
        with (
            _bar(title, sum(map(_weight, units)), progress and bool(missing)) as bar,
            ThreadPoolExecutor(jobs) as pool,
        ):
            bar.update(sum(map(_weight, units)) - sum(map(_weight, missing)))
            waiting = {pool.submit(self._compile_one, unit): unit for unit in missing}
            try:
                for done in as_completed(waiting):
                    done.result()
                    bar.update(_weight(waiting[done]))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [self.path(unit) for unit in units]

    def _compile_one(self, unit: Unit) -> None:
        finished = self.path(unit)
        include = [argument for path in unit.include for argument in ("-I", str(path))]
        include += [text for path in unit.system_include for text in ("-isystem", str(path))]
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            output = Path(scratch) / "unit.o"
            names = [
                f"{_SAME_NAMES}={path}={path.name}"
                for path in (*unit.include, *unit.system_include, *(s.parent for s in unit.sources))
            ]
            command = [*self.toolchain.compiler, *unit.flags, *names, *include, "-x", unit.language]
            run_compiler([*command, "-c", "-", "-o", str(output)], unit.name, unit.text())
            # Somebody may have edited the sources meanwhile: what was compiled is not known then.
            if ObjectCache(self.folder, self.toolchain).path(unit) != finished:
                raise UserError(f"the sources of {unit.name} changed during the build", "try again")
            # Renamed when complete: an interrupted compiler leaves nothing that looks finished.
            output.replace(finished)

    def _headers_digest(self, folder: Path) -> str:
        if folder not in self._digests:
            headers = sorted(path for path in folder.rglob("*") if path.suffix in _HEADERS)
            self._digests[folder] = _digest(
                text
                for path in headers
                for text in (
                    str(path.relative_to(folder)),
                    hashlib.sha256(path.read_bytes()).hexdigest(),
                )
            )
        return self._digests[folder]


def run_compiler(command: list[str], what: str, text: str = "") -> None:
    """Runs one command of a compiler, with `text` as its input.

    Args:
        command: ends with the file that it writes.

    Raises:
        UserError: with the first line of its output that names an error.
    """
    try:
        result = subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise UserError(f"cannot run {command[0]}: {error.strerror}", _COMPILER_FIX) from error
    if result.returncode != 0:
        first = _first_error(result.stderr + result.stdout)
        raise UserError(f"compiling {what} with {command[0]} failed: {first}", _COMPILER_FIX)
    if not Path(command[-1]).exists():
        raise UserError(f"{command[0]} reports no error but wrote no {what}", _COMPILER_FIX)


def _first_error(output: str) -> str:
    lines = output.strip().splitlines() or ["it gave no message"]
    for mark in ("error:", "undefined reference", "error"):
        for line in lines:
            if mark in line:
                return line.strip()
    return lines[-1].strip()


# __FILE__ stands in messages of TVM's sources: without this, where Python packages lie would change
# the length of the server's constants, the addresses of its data, and so the cycles of a network.
_SAME_NAMES = "-ffile-prefix-map"

_COMPILER_FIX = (
    "try another compiler (TVM_ARM_CXX_ARMV7, TVM_ARM_CXX_AARCH64, TVM_ARM_HOST_CC; "
    "or pip install ziglang), and see that the disk is not full"
)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _weight(unit: Unit) -> int:
    """Rough relative cost of compiling: kilobytes, and a constant for the headers."""
    return 20 + sum(path.stat().st_size for path in unit.sources) // 1024


def _bar(title: str, total: int, shown: bool) -> tqdm:
    terminal = sys.stderr.isatty()
    if shown and not terminal:
        print(title, file=sys.stderr, flush=True)  # a bar in a log file is hundreds of lines
    layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}"
    return tqdm(desc=title, total=total, disable=not (shown and terminal), bar_format=layout)
