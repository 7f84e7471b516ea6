"""The innermost loops of a kernel library, from its disassembly alone."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.board import toolchain
from tuner.errors import UserError

# e_machine of ELF's header.
_MACHINES = {40: "armv7", 183: "aarch64"}
_HEADER_BYTES = 20
_FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+([^.\s].*)$")  # constants are `.word`
_COMMENT = re.compile(r"\s*(//|;|@).*$")
_TARGET = re.compile(r"(?:0x)?([0-9a-f]+) <[^>]+>$")
_BRANCH = re.compile(r"^(b|b\.\w+|b[a-z]{2}|cbn?z|tbn?z)(\.[nw])?\s")


@dataclass(frozen=True)
class StaticLoop:
    """A loop without another one inside, as straight-line code that ends with its branch back.

    Attributes:
        function: the symbol it lies under.
        address: of its first instruction.
        depth: how many loops of the function it lies in, itself included.
        lines: its instructions, in order.
    """

    function: str
    address: int
    depth: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class _Line:
    address: int
    text: str
    target: int | None  # of a branch


def innermost_loops(library: Path, isa: str) -> list[StaticLoop]:
    """Find the innermost loops of `library`, compiled for `isa`, in the order of their addresses.

    Raises:
        UserError: it is no library for that instruction set, or there is no disassembler.
    """
    require_isa(library, isa)
    found: list[StaticLoop] = []
    for name, lines in _functions(_disassemble(library, isa)):
        found += _loops(name, lines)
    return found


def require_isa(library: Path, isa: str) -> None:
    """Raise a `UserError` unless `library` is an ELF file for `isa`."""
    try:
        with library.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise UserError(f"cannot read {library}: {error.strerror}", "name another file") from error
    if len(header) < _HEADER_BYTES or header[:4] != b"\x7fELF":
        raise UserError(
            f"{library} is no kernel library", "name what `export_library` wrote for the board"
        )
    machine = _MACHINES.get(struct.unpack_from("<H", header, 18)[0], "another machine")
    if machine != isa:
        raise UserError(
            f"{library} is compiled for {machine}, not for {isa}", "choose another --target"
        )


def _disassemble(library: Path, isa: str) -> str:
    command = [_find_objdump(isa), "-d", "--no-show-raw-insn", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip() or "no message").splitlines()[0]
        raise UserError(f"{library} cannot be disassembled: {reason}", "name another file")
    return done.stdout


def _find_objdump(isa: str) -> str:
    """The one that belongs to the compiler, else LLVM's."""
    for name in (toolchain.debian_tool(isa, "objdump"), "llvm-objdump"):
        if path := shutil.which(name):
            return path
    raise UserError(
        f"no disassembler for {isa} found ({toolchain.debian_tool(isa, 'objdump')}, llvm-objdump)",
        f"apt-get install binutils-{toolchain.debian_tool(isa, '').rstrip('-')}, "
        "or give the --shape of each argument: then the library is run",
    )


def _functions(listing: str) -> Iterator[tuple[str, list[_Line]]]:
    name, lines = "", list[_Line]()
    for text in listing.splitlines():
        if header := _FUNCTION.match(text):
            yield name, lines
            name, lines = header[1], []
        elif line := _INSTRUCTION.match(text):
            lines.append(_line(int(line[1], 16), line[2]))
    yield name, lines


def _line(address: int, text: str) -> _Line:
    # Where a branch leads stands in front of the comment, as `1f0 <main+0x20>`.
    text = _COMMENT.sub("", " ".join(text.split()))
    target = _TARGET.search(text)
    if target is None:
        return _Line(address, text, None)
    # In the syntax of QEMU's disassembler, which the core model reads.
    text = f"{text[: target.start()]}#0x{target[1]}"
    return _Line(address, text, int(target[1], 16) if _BRANCH.match(text) else None)


def _loops(name: str, lines: list[_Line]) -> Iterator[StaticLoop]:
    index_of = {line.address: index for index, line in enumerate(lines)}
    ends: dict[int, int] = {}  # first instruction -> branch back; of several the last
    for end, line in enumerate(lines):
        start = index_of.get(line.target, end + 1) if line.target is not None else end + 1
        if start <= end:
            ends[start] = end
    for start, end in sorted(ends.items()):
        if any(start <= s and e <= end and (s, e) != (start, end) for s, e in ends.items()):
            continue
        depth = sum(s <= start and end <= e for s, e in ends.items())
        texts = tuple(line.text for line in lines[start : end + 1])
        yield StaticLoop(name, lines[start].address, depth, texts)
