"""The clock guard of a farm: nobody knows which board a session gets, so each session is watched.

On a board of its own, `health.ClockGuard` looks before and after a batch. Here a trial counts only
if the clock was the usual one in its own session, before it and after it; else it is measured
again, on whichever board is free then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tvm.rpc

from schedules.hardware import Board
from tuner.measure import health
from tuner.measure.errors import TrialError
from tuner.measure.health import Health

LOWERED_CLOCK = "lowered clock"


class SessionGuard:
    """Tells whether trials ran at the usual clock: the highest that was seen on any board.

    Args:
        board: the kind of all boards of the farm.
        look: how to see the state of the board that a session is on, see `health.reader`.

    Attributes:
        sound: how many trials ran at the usual clock.
    """

    def __init__(self, board: Board, look: Callable[[tvm.rpc.RPCSession], Health]) -> None:
        self._board = board
        self._read = look
        self._usual_hz = 0.0
        self._lock = threading.Lock()  # trials run at the same time
        self.sound = 0

    @contextmanager
    def watching(self, remote: tvm.rpc.RPCSession) -> Iterator[None]:
        """Look before and after what is done in the session meanwhile.

        Raises:
            TrialError: of the kind `LOWERED_CLOCK`.
        """
        before = self._look(remote)
        self._require_usual(before)
        yield
        after = self._look(remote)
        self._require_usual(after)
        if after.dipped_since(before):
            raise TrialError(LOWERED_CLOCK, _complaint(after, self._usual_hz))
        with self._lock:
            self.sound += 1

    def _look(self, remote: tvm.rpc.RPCSession) -> Health:
        found = self._read(remote)
        with self._lock:
            self._usual_hz = health.usual_clock(self._usual_hz, found, self._board)
        return found

    def _require_usual(self, found: Health) -> None:
        if found.is_below(self._usual_hz):
            raise TrialError(LOWERED_CLOCK, _complaint(found, self._usual_hz))


def _complaint(found: Health, usual_hz: float) -> str:
    return f"in the farm, {health.complaint(found, usual_hz)}"
