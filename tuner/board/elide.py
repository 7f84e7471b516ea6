"""Kernels without their multiply-adds, for timing runs: QEMU spends most of its time on these.

A multiply-add of a compiled library is replaced in place by a move of vectors between the same
registers, which QEMU runs an order of magnitude faster and the emulator times as the multiply-add
it stands for (`emulator/elided.h`). Cycles stay the same to the last digit, while the numbers
computed are wrong: they have to be checked in another run, of the library as it was.

The move is "uzp2 v8.2d, v1.2d, v0.2d" on A64 and "vext.8 q8, q1, q0, #0" on A32: compilers have
other names for what these do. A32 has no room for the lane of "vmla.f32 q8, q1, d0[0]": that
becomes the 64-bit form, on the lower halves of q8 and q1 and on d0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner.board.elide_encodings import A32, A64, Form, InstructionSet, Word

# LLVM adds these to every library; they take floats apart bit by bit.
_HALF_PRECISION = ("__truncsfhf2", "__extendhfsf2", "__truncdfhf2", "__extendhfdf2")
_SYMBOL_TABLE = 2  # SHT_SYMTAB
_EXECUTABLE = 4  # SHF_EXECINSTR
_OF_CLASS = {1: A32, 2: A64}  # EI_CLASS: 32 or 64 bits


@dataclass(frozen=True)
class Elision:
    """What became of a library.

    Attributes:
        count: multiply-adds replaced; 0: use the library as it is.
        reason: why it is 0, for people.
    """

    count: int
    reason: str = ""


class _Refused(Exception):
    """Why a library is better left alone."""


def elide(library: Path, output: Path) -> Elision:
    """Write to `output` what to time instead of the kernel library `library`.

    Nothing is written when that would not be safe: a number might decide a branch, the code has
    such moves already, or code and constants cannot be told apart.
    """
    data = bytearray(library.read_bytes())
    try:
        count = _elide(data)
    except _Refused as refused:
        return Elision(0, str(refused))
    output.write_bytes(data)
    return Elision(count)


def _elide(data: bytearray) -> int:
    """Replace the multiply-adds in place; return how many."""
    if data[:4] != b"\x7fELF" or data[4] not in _OF_CLASS:
        raise _Refused("it is no ELF file")
    isa = _OF_CLASS[data[4]]
    code, helpers = _code(data, isa)
    if not code:
        raise _Refused("nothing tells its code from its constants")
    if any(set(helpers) & _called(address, words, isa) for address, words in code):
        raise _Refused("it computes in half precision by bits")
    for address, size in helpers.items():
        code = [piece for whole in code for piece in _without(whole, address, size)]

    def has(forms: tuple[Form, ...]) -> bool:
        return any(form.of(words).any() for _, words in code for form in forms)

    if has((isa.move,)):
        raise _Refused("it has the moves that would stand for multiply-adds")
    if has(isa.decisions) or (has(isa.half_decisions) and has(isa.to_general)):
        raise _Refused("a computed number may decide a branch")
    count = 0
    for _, words in code:
        for form in isa.multiply_adds:
            found = form.of(words)
            words[found] = (words[found] & Word(form.kept)) | Word(form.move)
            count += int(found.sum())
    if not count:
        raise _Refused("it has no vector multiply-adds")
    return count


def _without(
    piece: tuple[int, np.ndarray], address: int, size: int
) -> list[tuple[int, np.ndarray]]:
    """The parts of a piece of code before and behind a function."""
    begin, words = piece
    first = min(max((address - begin) // 4, 0), len(words))
    behind = min(max((address + size - begin) // 4, 0), len(words))
    return [(begin, words[:first]), (begin + 4 * behind, words[behind:])]


def _called(address: int, words: np.ndarray, isa: InstructionSet) -> set[int]:
    """Addresses that the code `words`, which begins at `address`, calls."""
    places = np.flatnonzero(isa.call.of(words))
    unused = 32 - isa.call_bits
    distances = (words[places] << Word(unused)).astype(np.int32) >> unused
    return set((address + isa.call_from + 4 * (places + distances.astype(np.int64))).tolist())


def _code(
    data: bytearray, isa: InstructionSet
) -> tuple[list[tuple[int, np.ndarray]], dict[int, int]]:
    """What `data` holds as code, and where the functions for half precision begin.

    Mapping symbols of the ABI tell: $x or $a begins code, $d constants, $t Thumb code.

    Returns:
        (address, words) of each piece of code, the words being `data` itself; address -> bytes.
    """
    wide = data[4] == 2
    table_at = struct.unpack_from("<Q" if wide else "<I", data, 40 if wide else 32)[0]
    entry, count = struct.unpack_from("<HH", data, 58 if wide else 46)
    layout = "<IIQQQQIIQQ" if wide else "<IIIIIIIIII"
    sections = [struct.unpack_from(layout, data, table_at + i * entry) for i in range(count)]
    marks: list[tuple[int, int, str]] = []  # section, address, kind
    helpers = {}
    for section in sections:
        if section[1] != _SYMBOL_TABLE:
            continue
        names_at = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], section[9]):
            if wide:
                name, _, _, index, value, extent = struct.unpack_from("<IBBHQQ", data, at)
            else:
                name, value, extent, _, _, index = struct.unpack_from("<IIIBBH", data, at)
            text = data[names_at + name : data.index(0, names_at + name)].decode("latin-1")
            if text[:2] in (isa.code, "$d", "$t") and index < count:
                marks.append((index, value, text[:2]))
            if text in _HALF_PRECISION:
                helpers[value] = extent
    marks.sort()
    code = []
    for mark, following in zip(marks, [*marks[1:], (-1, 0, "")], strict=True):
        index, address, kind = mark
        _, _, flags, base, offset, size = sections[index][:6]
        end = following[1] if following[0] == index else base + size
        if kind == isa.code and flags & _EXECUTABLE and end > address:
            at = offset + address - base
            code.append((address, np.frombuffer(data, "<u4", (end - address) // 4, at)))
    return code, helpers
