"""Several boards of a tracker at once, some of which may be lost on the way.

What is measured, and in which order results count, does not depend on the boards: trials are
proposed in batches, and a batch's results are taken in the order of its trials (`tuner.tune`).
"""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import tvm.rpc

from tuner.board import session as board_session
from tuner.errors import UserError
from tuner.measure.boards import Endpoint
from tuner.measure.farm_guard import LOWERED_CLOCK, SessionGuard
from tuner.measure.health import COOL_DOWN_S
from tuner.measure.pipeline import Measurer, Outcome, Trial
from tuner.measure.tracker import TrackedBoard

_logger = logging.getLogger(__name__)

_DESCRIBE_TIMEOUT_S = 60
# A candidate that fails on so many boards is to blame itself.
_ATTEMPTS = 3
# A trial whose board had lowered its clock: waits for the whole farm, and for another board.
_COOL_DOWNS, _SOON_S = 4, 2.0
# Kinds of failures that may be the board's fault.
_OF_BOARD = ("run", "lost connection")
# Of what a server says of its board: what decides measured times.
_DECISIVE = ("board", "core", "emulated", "model", "clock_hz", "threads", "isa")

_Description = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class FarmBoard:
    """A place for one trial: any free board of the key, as long as it is of the known kind.

    Attributes:
        tracked: the tracker's key.
        description: what all boards of the key said of themselves at the start.
    """

    tracked: TrackedBoard
    description: _Description

    def connect(self, timeout_s: float) -> tvm.rpc.RPCSession:
        """Open a session on the next board that is free.

        Raises:
            UserError: there is none, or one of another kind has come to the farm meanwhile.
        """
        remote = self.tracked.connect(timeout_s)
        found = _describe(remote)
        if found != self.description:
            board_session.close(remote)
            raise _mixed(self.tracked, [self.description, found])
        return remote


def boards(tracked: TrackedBoard, wanted: int | None) -> list[FarmBoard]:
    """Return a place for each board that is to be used at the same time.

    Args:
        wanted: how many boards; None: all that are free now, at least one.

    Raises:
        UserError: no tracker, too few boards, or boards of several kinds.
    """
    known = tracked.count()
    if wanted is not None and wanted > known:
        raise UserError(
            f"the tracker at {tracked.address} has {known} boards of the key {tracked.key!r}, "
            f"not {wanted}",
            f"choose --boards {known} or less",
        )
    sessions: list[tvm.rpc.RPCSession] = []
    try:
        # All at once: one after the other might be the same board each time.
        for _ in range(wanted or max(1, tracked.free())):
            sessions.append(tracked.connect(_DESCRIBE_TIMEOUT_S))
        found = [_describe(remote) for remote in sessions]
    finally:
        for remote in sessions:
            board_session.close(remote)
    if len(set(found)) > 1:
        raise _mixed(tracked, found)
    return [FarmBoard(tracked, found[0])] * len(found)


class FarmMeasurer(Measurer):
    """A `Measurer` that repeats a failed trial on another board before it believes the failure.

    Args:
        guard: rejects trials that met a lowered clock. They are repeated: soon, while trials on
            other boards are sound, else after a wait.
        cool_down_s: the first wait; each further one of a trial is twice as long.
    """

    def __init__(
        self,
        core_name: str,
        endpoints: Sequence[Endpoint],
        workers: int,
        guard: SessionGuard | None = None,
        cool_down_s: float = COOL_DOWN_S,
    ) -> None:
        super().__init__(
            core_name, endpoints, workers, watch=guard.watching if guard else nullcontext
        )
        self._session_guard = guard
        self._cool_down_s = cool_down_s
        self._closing = threading.Event()
        # Those that wait for a board take no processor time: all boards and compilers have work.
        self._threads = ThreadPoolExecutor(workers + len(endpoints))

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        super().__exit__(*exception)

    def _measure_one(self, trial: Trial) -> Outcome:
        waits = 0
        while True:
            sound_before = self._guard_sound()
            outcome = self._measure_on_some_board(trial)
            error = outcome.error or {}
            if error.get("kind") != LOWERED_CLOCK or self._closing.is_set():
                return outcome
            if self._guard_sound() > sound_before:
                wait_s = _SOON_S
            else:  # nobody had a sound board meanwhile
                wait_s = self._cool_down_s * 2**waits
                waits += 1
            if waits > _COOL_DOWNS:
                raise UserError(
                    f"{error['text']}, still so after {_COOL_DOWNS} waits",
                    "mend that and give the same command again: what was measured is kept",
                )
            _logger.warning("%s; waits %g s and measures the trial again", error["text"], wait_s)
            self._closing.wait(wait_s)

    def _guard_sound(self) -> int:
        return self._session_guard.sound if self._session_guard else 0

    def _measure_on_some_board(self, trial: Trial) -> Outcome:
        for left in reversed(range(_ATTEMPTS)):
            try:
                outcome = super()._measure_one(trial)
                if outcome.error is None or outcome.error["kind"] not in _OF_BOARD or not left:
                    return outcome
                reason = outcome.error["text"]
            except UserError as error:
                if not left:
                    raise
                reason = str(error)
            _logger.warning("trial %d failed, on to another board: %.200s", trial.index, reason)
        raise AssertionError("the last attempt returns or raises")


def _describe(remote: tvm.rpc.RPCSession) -> _Description:
    """Return the decisive facts; none of a stock server, which does not tell."""
    answer = board_session.describe(remote) or {}
    return tuple((name, answer.get(name)) for name in _DECISIVE)


def _mixed(tracked: TrackedBoard, found: Sequence[_Description]) -> UserError:
    counts = collections.Counter(found)
    kinds = ", ".join(f"{count} x {_text(kind)}" for kind, count in counts.items())
    return UserError(
        f"the boards of the key {tracked.key!r} differ, and so would their times: {kinds}",
        "register each kind under a key of its own",
    )


def _text(description: _Description) -> str:
    facts = dict(description)
    if facts["core"] is None:
        return "a stock server that does not tell its board"
    clock = f"{facts['clock_hz'] / 1e6:.0f} MHz" if facts["clock_hz"] else "clock unknown"
    kind = f"emulated, timing model v{facts['model']}" if facts["emulated"] else "real"
    name = facts["board"] or "board"
    return f"{name} ({facts['core']}, {clock}, {facts['threads']} threads, {kind})"
