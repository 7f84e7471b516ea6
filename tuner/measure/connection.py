"""What to do when a connection to the board is lost: wait for the board, and run again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tuner.errors import UserError
from tuner.measure.boards import ConnectionLost, Endpoint, session
from tuner.measure.errors import TrialError

_Result = TypeVar("_Result")
_logger = logging.getLogger(__name__)

# A stock server hangs up too when a candidate crashes: then every attempt ends so.
_ATTEMPTS = 3
# A board that starts again takes half a minute to a minute.
_COME_BACK_S = 120.0
_POLL_S = 2.0
_SESSION_LIMIT_S = 20.0
# How TVM's client says that the other end hung up, and our server that it was stopped.
_SIGNS = (
    *("RPCCode::kReturn", "the server was stopped", "SockChannel", "Socket"),
    *("Connection reset", "Broken pipe"),
)


def is_lost(error: Exception) -> bool:
    """Whether `error`, of a call in a session, says that the connection is gone."""
    return isinstance(error, ConnectionLost) or any(sign in str(error) for sign in _SIGNS)


@contextmanager
def losses() -> Iterator[None]:
    """Turn what TVM's client raises when a connection breaks into a `ConnectionLost`."""
    try:
        yield
    except Exception as error:
        if is_lost(error):
            raise ConnectionLost(str(error)) from error
        raise


def persist(endpoint: Endpoint, run: Callable[[], _Result]) -> _Result:
    """Return what `run` returns, called again when the connection was lost meanwhile.

    Raises:
        TrialError: it is lost every time.
        UserError: the board does not come back.
    """
    for left in reversed(range(_ATTEMPTS)):
        try:
            return run()
        except (ConnectionLost, UserError) as lost:
            wait_for(endpoint)
            again = "tries again" if left else f"for the {_ATTEMPTS}rd time"
            _logger.warning("the connection to the board was lost; %s", again)
            reason = str(lost)
    raise TrialError("lost connection", f"{_ATTEMPTS} times, the last time: {reason}")


def wait_for(endpoint: Endpoint) -> None:
    """Return as soon as the board takes sessions.

    Raises:
        UserError: it does not for two minutes, or is an emulated one that has ended.
    """
    give_up_s = time.monotonic() + _COME_BACK_S
    told = False
    while True:
        try:
            return require_alive(endpoint)
        except UserError as error:
            if not getattr(endpoint, "running", True) or time.monotonic() > give_up_s:
                raise
            if not told:
                _logger.warning("%s; waits up to %.0f s for it", error.message, _COME_BACK_S)
                told = True
        time.sleep(_POLL_S)


def require_alive(endpoint: Endpoint) -> None:
    """Raise a `UserError` unless the board still takes sessions: then what it ran is to blame."""
    try:
        with session(endpoint, _SESSION_LIMIT_S):
            pass
    except UserError:
        raise
    except Exception as error:  # the RPC client's, such as a RuntimeError when nothing listens
        raise UserError(
            f"the board does not answer any more: {error}",
            "restart its server if it is a real board, and give the same command again: "
            "what was measured is kept",
        ) from error
