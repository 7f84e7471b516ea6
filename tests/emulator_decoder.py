"""The emulator's decoder on the host: its C sources as a shared library, records in words."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

from tuner.board import emulator as emulator_package
from tuner.board import toolchain

SOURCES = Path(emulator_package.__file__).parent
MAX_REGISTERS = 40  # decode.h
ISA_NUMBERS = {"a64": 0, "a32": 1, "t32": 1}


class Instruction(ctypes.Structure):
    """struct instruction of decode.h"""

    _fields_ = (
        ("class_", ctypes.c_uint8),
        ("quad", ctypes.c_uint8),
        ("bytes", ctypes.c_uint16),
        ("source_count", ctypes.c_uint8),
        ("destination_count", ctypes.c_uint8),
        ("accumulator", ctypes.c_int8),
        ("writeback", ctypes.c_int8),
        ("is_store", ctypes.c_uint8),
        ("is_branch", ctypes.c_uint8),
        ("is_conditional", ctypes.c_uint8),
        ("sources", ctypes.c_uint8 * MAX_REGISTERS),
        ("destinations", ctypes.c_uint8 * MAX_REGISTERS),
    )


class Decoder:
    def __init__(self, folder: Path) -> None:
        library = folder / "libdecoder.so"
        files = (
            "decode.c",
            "operands.c",
            *(path.name for path in SOURCES.glob("mnemonics*.c")),
        )
        command = [*toolchain.find_host().compiler, "-O1", "-shared", "-fPIC"]
        command += ["-Wall", "-Wextra", "-Werror", "-o", str(library)]
        subprocess.run([*command, *(str(SOURCES / name) for name in files)], check=True)
        self._library = ctypes.CDLL(str(library))
        self._library.class_name.restype = ctypes.c_char_p

    def describe(self, isa: str, text: str) -> str:
        """In words: `fma.q reads v31 v0 + v6 writes v6`; what follows "+" is the addend."""
        record = Instruction()
        self._library.decode(ISA_NUMBERS[isa], text.encode(), ctypes.byref(record))
        name = self._library.class_name(int(record.class_)).decode()
        words = [name + (".q" if record.quad else "")]
        if record.bytes:
            words.append(f"{record.bytes}B")
        sources = [_register(isa, r) for r in record.sources[: record.source_count]]
        if record.accumulator >= 0:
            sources.insert(record.accumulator, "+")
        destinations = [_register(isa, r) for r in record.destinations[: record.destination_count]]
        words += ["reads", *sources] if sources else []
        words += ["writes", *destinations] if destinations else []
        if record.writeback >= 0:
            words += ["updates", _register(isa, record.writeback)]
        words += ["store"] if record.is_store else []
        words += ["branch"] if record.is_branch else []
        words += ["conditional"] if record.is_conditional else []
        return " ".join(words)


def _register(isa: str, number: int) -> str:
    if number == 64:
        return "flags"
    if number >= 32:
        return f"{'v' if isa == 'a64' else 'd'}{number - 32}"
    if isa == "a64":
        return "sp" if number == 31 else f"x{number}"
    return {13: "sp", 14: "lr", 15: "pc"}.get(number, f"r{number}")
