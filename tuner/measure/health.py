"""The clock guard: a batch that was measured under a lowered clock is measured again.

Firmware lowers the clock of a hot or badly supplied board, on a Raspberry Pi without telling the
kernel. So the clock is measured, by a loop that takes a known number of cycles.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import tvm.rpc

from schedules.hardware import Board
from tuner.board import build, runtime_sources, toolchain
from tuner.board import session as board_session
from tuner.board.objects import Unit
from tuner.errors import UserError
from tuner.measure import connection
from tuner.measure.boards import Endpoint, session
from tuner.measure.errors import TrialError

_Outcome = TypeVar("_Outcome")
_logger = logging.getLogger(__name__)

_SOURCE = Path(build.__file__).parent / "clock_loop.cc"
_FLAGS = ("-O2", "-fPIC", "-ffreestanding", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden")
# Additions of a turn (clock_loop.cc), turns of a run, and runs, some 50 ms in all: long enough for
# a governor to raise the clock of an idle board; the best of them no other program disturbed.
_LENGTH, _TURNS, _RUNS = 1024, 250, 240
_SESSION_S = 30
# Less than this share of the usual clock is a lowered one. The loop is right to 1 %.
_LOWERED = 0.95
# Seconds before the first repeat of a batch; each further wait is twice as long.
COOL_DOWN_S = 30.0
_REPEATS = 4
# `vcgencmd get_throttled`: what is so now, and what has been since the board started.
_UNDER_VOLTAGE, _TOO_HOT = 0x1 | 0x10000, 0x8 | 0x80000
_SINCE_START = 0xF0000
_HOT_C = 75.0


@dataclass(frozen=True)
class Health:
    """State of a board at one moment.

    Attributes:
        clock_hz: of the core that the server runs on, measured.
        max_clock_hz: what the kernel allows; None: nobody says.
        governor: the kernel's; "" where nobody says.
        temperature_c: of the hottest zone; None: nobody says.
        throttled: bits of `vcgencmd get_throttled`; 0 on boards other than a Raspberry Pi.
    """

    clock_hz: float
    max_clock_hz: int | None = None
    governor: str = ""
    temperature_c: float | None = None
    throttled: int = 0

    def is_below(self, usual_hz: float) -> bool:
        """Whether the clock is lowered."""
        return self.clock_hz < _LOWERED * usual_hz

    def dipped_since(self, before: Health) -> bool:
        """Whether the firmware lowered the clock after `before`, of the same board."""
        return bool(self.throttled & ~before.throttled & _SINCE_START)

    @property
    def cause(self) -> str:
        """Why the clock may be lowered."""
        if self.throttled & _UNDER_VOLTAGE:
            return "weak power supply (the firmware saw too low a voltage)"
        if self.throttled & _TOO_HOT or (self.temperature_c or 0) >= _HOT_C:
            return "heat"
        if self.governor == "powersave":
            return "the governor `powersave` keeps the clock low"
        return "weak power supply, or heat"


def read(endpoint: Endpoint, board: Board) -> Health:
    """Measure the clock of the board, and ask its server what else it knows.

    Args:
        board: tells the instruction set, and how many cycles an addition takes.

    Raises:
        UserError: the board is gone, or hangs up each time.
    """
    try:
        return connection.persist(endpoint, lambda: _read_once(endpoint, board))
    except TrialError as error:
        raise UserError(
            f"the clock of the board cannot be measured: {error.text}",
            f"run `python -m tuner doctor --target {board.name}`",
        ) from error


def _read_once(endpoint: Endpoint, board: Board) -> Health:
    look = reader(board)
    with connection.losses(), session(endpoint, _SESSION_S) as remote:
        return look(remote)


def reader(board: Board) -> Callable[[tvm.rpc.RPCSession], Health]:
    """Return what does as `read` within a session of the board.

    Raises:
        UserError: the loop cannot be built.
    """
    library = _clock_loop(board.core.isa)
    return lambda remote: _read_in(remote, board, library)


def _read_in(remote: tvm.rpc.RPCSession, board: Board, library: Path) -> Health:
    told = board_session.health(remote) or {}
    remote.upload(str(library))
    loop = remote.load_module(library.name)
    evaluator = loop.time_evaluator("main", remote.cpu(0), number=1, repeat=_RUNS)
    seconds = min(evaluator(_TURNS).results)
    cycles = board.core.timing["alu"].latency * _LENGTH * _TURNS
    return Health(
        cycles / seconds,
        told.get("max_clock_hz"),
        told.get("governor", ""),
        told.get("temperature_c"),
        told.get("throttled", 0),
    )


@cache
def _clock_loop(isa: str) -> Path:
    tools = toolchain.find(isa)
    include = tuple(runtime_sources.find().include)
    return build.build_program(
        "clock_loop.so",
        [Unit("clock_loop", (_SOURCE,), include=include, flags=_FLAGS)],
        tools,
        link=lambda objects, output: [*tools.linker, "-shared", *objects, "-o", output],
        title=f"building the loop that measures a clock, for {isa}",
        progress=False,
    )


class ClockGuard:
    """Looks at the clock before a batch, after each trial, and after the batch.

    The usual clock is the highest that was seen or that the kernel allows: the board's own, which
    may be another than its table's.

    Args:
        endpoints: boards of one kind.
        board: that kind.
        cool_down_s: the first wait.
        sleep: how to wait.
        read: how to look.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        board: Board,
        cool_down_s: float = COOL_DOWN_S,
        sleep: Callable[[float], None] = time.sleep,
        read: Callable[[Endpoint, Board], Health] = read,
    ) -> None:
        self._endpoints = list(dict.fromkeys(endpoints))
        self._board = board
        self._cool_down_s = cool_down_s
        self._sleep = sleep
        self._read = read
        self._usual_hz = 0.0
        self._known_bits: dict[Endpoint, int] = {}
        self._worst: Health | None = None

    def look(self, endpoint: Endpoint) -> None:
        """Note the state of a board; the caller sees to it that nothing else runs there."""
        health = self._read(endpoint, self._board)
        self._usual_hz = usual_clock(self._usual_hz, health, self._board)
        # A dip between two looks leaves its mark in the firmware's bits.
        bits = health.throttled & _SINCE_START
        dipped = bits & ~self._known_bits.setdefault(endpoint, bits)
        self._known_bits[endpoint] |= bits
        lowered = dipped or health.is_below(self._usual_hz)
        if lowered and (self._worst is None or health.clock_hz < self._worst.clock_hz):
            self._worst = health

    def approved(self, measure: Callable[[], Iterator[_Outcome]]) -> list[_Outcome]:
        """Return what `measure` yields, from a time in which the clock was the usual one.

        Raises:
            UserError: the clock stays low.
        """
        for repeat in range(_REPEATS + 1):
            self._worst = None
            self._look_everywhere()
            if self._worst is None:
                outcomes = list(measure())
                self._look_everywhere()
                if self._worst is None:
                    return outcomes
            wait_s = self._cool_down_s * 2**repeat
            if repeat == _REPEATS:
                break
            _logger.warning(
                "%s; waits %g s and measures the batch again", self._complaint(), wait_s
            )
            self._sleep(wait_s)
        raise UserError(
            f"{self._complaint()}, still so after {_REPEATS} waits",
            "mend that and give the same command again: what was measured before is kept",
        )

    def _look_everywhere(self) -> None:
        for endpoint in self._endpoints:
            self.look(endpoint)

    def _complaint(self) -> str:
        assert self._worst is not None
        return complaint(self._worst, self._usual_hz)


def usual_clock(known_hz: float, health: Health, board: Board) -> float:
    """Return the highest clock that was seen or that the kernel allows.

    Warns of a first clock that is low, where no kernel says what it should be.

    Args:
        known_hz: that clock so far; 0: nothing was seen.
    """
    is_first_and_low = not known_hz and health.is_below(board.clock_hz)
    if is_first_and_low and health.max_clock_hz is None:
        _logger.warning(
            "the board runs at %.0f MHz, a %s at %.0f: %s, or it is another board; takes that "
            "for its usual clock",
            health.clock_hz / 1e6,
            board.name,
            board.clock_hz / 1e6,
            health.cause,
        )
    return max(known_hz, health.clock_hz, health.max_clock_hz or 0)


def complaint(health: Health, usual_hz: float) -> str:
    """Say what was wrong with the clock of a board, and why."""
    degrees = "" if health.temperature_c is None else f" at {health.temperature_c:.0f} C"
    if not health.is_below(usual_hz):
        return f"the board lowered its clock for a moment{degrees}: {health.cause}"
    return (
        f"the board ran at {health.clock_hz / 1e6:.0f} MHz instead of {usual_hz / 1e6:.0f}"
        f"{degrees}: {health.cause}"
    )
