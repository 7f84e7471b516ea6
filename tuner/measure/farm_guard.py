"""The clock guard of a farm: nobody knows which board a session gets, so each session is watched.

On a board of its own, `health.ClockGuard` looks before and after a batch. Here a trial counts only
if the clock was the usual one in its own session, before it and after it; else it is measured
again, most likely on another board.
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
        read: how to look.
    """

    def __init__(
        self, board: Board, read: Callable[[tvm.rpc.RPCSession, Board], Health] = health.read_in
    ) -> None:
        self._board = board
        self._read = read
        self._usual_hz = 0.0
        self._lock = threading.Lock()  # trials run at the same time

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
            raise TrialError(LOWERED_CLOCK, health.complaint(after, self._usual_hz))

    def _look(self, remote: tvm.rpc.RPCSession) -> Health:
        found = self._read(remote, self._board)
        with self._lock:
            self._usual_hz = health.usual_clock(self._usual_hz, found, self._board)
        return found

    def _require_usual(self, found: Health) -> None:
        if found.is_below(self._usual_hz):
            raise TrialError(LOWERED_CLOCK, health.complaint(found, self._usual_hz))
