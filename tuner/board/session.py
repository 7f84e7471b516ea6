"""What our server offers beyond a stock one, as calls on an RPC session."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tvm.rpc import RPCSession

_OVER_BUDGET = "session's cycle budget"  # supervisor.cc


def describe(session: RPCSession) -> dict[str, Any] | None:
    """Facts: board, core, emulated, model, clock_hz, cores, threads, isa, time_evaluator,
    server_version, tvm. `time_evaluator` says in words what its results are.

    None: the server is a stock one, which tells nothing.
    """
    return _ask(session, "tuner.board.describe")


def counters(session: RPCSession) -> dict[str, int] | None:
    """Counts of the last timed run (cycles, cache misses ...); all 0 on a real board.

    None: the server is a stock one.
    """
    return _ask(session, "tuner.board.counters")


def health(session: RPCSession) -> dict[str, Any] | None:
    """What the kernel and the firmware say: max_clock_hz, kernel_clock_hz, governor, temperature_c,
    throttled (bits of `vcgencmd get_throttled`), firmware_clock_hz; each only where it is known.

    None: the server is a stock one, or one of this project's from before it had the function.
    """
    return _ask(session, "tuner.board.health")


def set_cycle_budget(session: RPCSession, cycles: int) -> None:
    """End the session when a timed run takes more `cycles` of model time; 0 = no limit.

    The client's call then raises an error that `is_over_budget` knows. Nothing happens on a board
    that has no model time.
    """
    with contextlib.suppress(AttributeError):  # how TVM reports an unknown remote function
        session.get_function("tuner.board.set_cycle_budget")(cycles)


def is_over_budget(error: Exception) -> bool:
    """Whether `error` says that a timed run met its cycle budget."""
    return _OVER_BUDGET in str(error)


def close(session: RPCSession) -> None:
    """Ends the session now, and not when the last object that refers to it goes."""
    session._sess["CloseRPCConnection"]()


def _ask(session: RPCSession, name: str) -> Any:
    try:
        function = session.get_function(name)
    except AttributeError:  # how TVM reports an unknown remote function
        return None
    return json.loads(str(function()))
