"""What our server offers beyond a stock one, as calls on an RPC session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tvm.rpc import RPCSession


def describe(session: RPCSession) -> dict[str, Any] | None:
    """Facts: board, core, emulated, model, clock_hz, cores, threads, isa, server_version, tvm.

    None: the server is a stock one, which tells nothing.
    """
    return _ask(session, "tuner.board.describe")


def counters(session: RPCSession) -> dict[str, int] | None:
    """Counts of the last timed run (cycles, cache misses ...); all 0 on a real board.

    None: the server is a stock one.
    """
    return _ask(session, "tuner.board.counters")


def close(session: RPCSession) -> None:
    """Ends the session now, and not when the last object that refers to it goes."""
    session._sess["CloseRPCConnection"]()


def _ask(session: RPCSession, name: str) -> Any:
    try:
        function = session.get_function(name)
    except AttributeError:  # how TVM reports an unknown remote function
        return None
    return json.loads(str(function()))
