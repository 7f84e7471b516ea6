"""Cycles of a loop from its disassembly alone: the emulator's core model without QEMU.

The loop runs for long, its data is in L1 and its branch is predicted.  Some microseconds a call:
for searching instruction orders and for features of a cost model.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path

from schedules.hardware import Board
from tuner.board import build, toolchain
from tuner.board.emulator import params
from tuner.board.objects import Unit
from tuner.board.profile import Limits

_HERE = Path(__file__).parent
_SOURCES = (
    *("static_model", "parameters", "timing", "inorder", "outoforder", "pipeline", "counters"),
    *("memory", "l2", "prefetch", "tlb", "decode", "operands", "mnemonics", "mnemonics_a32"),
    *(
        "mnemonics_a32_vector",
        "mnemonics_a64",
        "mnemonics_a64_vector",
        "loop_limits",
        "static_limits",
    ),
)
_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-Wall", "-Wextra")
_HALF = 128  # iterations timed of a loop that does not settle: static_model.h


@dataclass(frozen=True)
class LoopTime:
    """What one iteration costs.

    Attributes:
        cycles: exact, once the loop has settled.
        instructions: in one iteration.
        undecoded: those of them whose timing the model does not know.
    """

    cycles: Fraction
    instructions: int
    undecoded: int


class _Result(ctypes.Structure):
    """struct static_result of static_model.h"""

    _fields_ = (
        ("cycles", ctypes.c_int64),
        ("iterations", ctypes.c_int64),
        ("instructions", ctypes.c_int32),
        ("undecoded", ctypes.c_int32),
    )


class _Limits(ctypes.Structure):
    """struct limits of loop_limits.h, hundredths of cycles"""

    _fields_ = tuple((field.name, ctypes.c_uint) for field in fields(Limits))


class _Operands(ctypes.Structure):
    """struct static_operands of static_model.h"""

    _fields_ = (
        ("source_count", ctypes.c_int32),
        ("destination_count", ctypes.c_int32),
        ("sources", ctypes.c_uint8 * 40),
        ("destinations", ctypes.c_uint8 * 41),
    )


class CoreModel:
    """The core of a board; many may exist, and threads may share one."""

    # The library's own state is of one board at a time.
    _lock = threading.Lock()
    _loaded: CoreModel | None = None

    def __init__(self, board: Board, progress: bool = True) -> None:
        """Builds the library if it is not there yet; raises as `build.server_binary` does."""
        self._is_a64 = board.core.isa == "aarch64"
        library = _library(progress)
        self._native = ctypes.CDLL(str(library))
        self._native.static_prepare.restype = ctypes.c_void_p
        self._native.static_load.restype = ctypes.c_void_p
        self._parameters: int | None = None
        self._table = library.with_name(f"{board.name}-v{params.MODEL_VERSION}.txt")
        self._text = params.text(board)

    def loop(self, lines: Sequence[str]) -> LoopTime:
        """The steady state of a loop.

        Args:
            lines: of its disassembly, the last one the branch back.

        Raises:
            ValueError: there are no instructions.
        """
        result = _Result()
        text = "\n".join(lines).encode()
        with CoreModel._lock:
            self._load()
            if not self._native.static_loop(int(self._is_a64), text, ctypes.byref(result)):
                raise ValueError("a loop without instructions")
        return _loop_time(result)

    def prepare(self, lines: Sequence[str]) -> OrderedLoop:
        """A loop whose instructions are to be timed in many orders; `lines` as for `loop`."""
        return OrderedLoop(self, lines)

    def operands(self, line: str) -> tuple[frozenset[int], frozenset[int]]:
        """The registers that an instruction reads and writes, flags included, as numbers.

        Raises:
            ValueError: the model does not know the instruction.
        """
        found = _Operands()
        text = line.encode()
        if not self._native.static_operands(int(self._is_a64), text, ctypes.byref(found)):
            raise ValueError(f"the core model does not know the instruction {line!r}")
        return (
            frozenset(found.sources[: found.source_count]),
            frozenset(found.destinations[: found.destination_count]),
        )

    def limits(self, lines: Sequence[str]) -> Limits:
        """What the loop could do at best, and so what limits it; some milliseconds.

        Raises:
            ValueError: there are no instructions.
        """
        result = _Limits()
        with CoreModel._lock:
            self._load()
            CoreModel._loaded = None  # static_limits.h
            text = "\n".join(lines).encode()
            if not self._native.static_limits(int(self._is_a64), text, ctypes.byref(result)):
                raise ValueError("a loop without instructions")
        return Limits(*(getattr(result, field.name) / 100 for field in fields(Limits)))

    def knows(self, line: str) -> bool:
        """Whether the model knows the timing of an instruction."""
        return bool(self._native.static_knows(int(self._is_a64), line.encode()))

    def _load(self) -> None:
        if CoreModel._loaded is self:
            return
        if self._parameters is None:
            self._table.write_text(self._text, encoding="ascii")
            self._parameters = self._native.static_load(str(self._table).encode())
            if self._parameters is None:
                raise RuntimeError(f"the core model refuses {self._table}")
        self._native.static_select(ctypes.c_void_p(self._parameters))
        CoreModel._loaded = self


class OrderedLoop:
    """A loop that was decoded once; see `CoreModel.prepare`."""

    def __init__(self, model: CoreModel, lines: Sequence[str]) -> None:
        self._model = model
        text = "\n".join(lines).encode()
        with CoreModel._lock:
            model._load()
            block = model._native.static_prepare(int(model._is_a64), text)
        self._block = ctypes.c_void_p(block)
        self._order = (ctypes.c_int32 * len(lines))()
        weakref.finalize(self, model._native.static_release, self._block)

    def time(self, order: Sequence[int]) -> LoopTime:
        """The steady state with the instructions in this order of their positions."""
        result = _Result()
        self._order[:] = list(order)
        with CoreModel._lock:
            self._model._load()
            self._model._native.static_time(self._block, self._order, ctypes.byref(result))
        return _loop_time(result)


def _loop_time(result: _Result) -> LoopTime:
    iterations = result.iterations or _HALF
    return LoopTime(Fraction(result.cycles, iterations), result.instructions, result.undecoded)


def _library(progress: bool) -> Path:
    tools = toolchain.find_host()
    units = [
        Unit(name, (_HERE / f"{name}.c",), (_HERE,), flags=_FLAGS, language="c")
        for name in _SOURCES
    ]
    return build.build_program(
        "libcoremodel.so",
        units,
        tools,
        link=lambda objects, output: [*tools.compiler, "-shared", *objects, "-o", output],
        title="building the core model (first use, some seconds)",
        progress=progress,
    )
