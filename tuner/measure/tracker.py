"""Reaching a farm of boards through TVM's RPC tracker."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

import tvm.rpc

from tuner.errors import UserError
from tuner.measure.time_limit import TookTooLong, within

_REACH_TIMEOUT_S = 5
# Other users of a farm may be at work on all boards of the key.
_FREE_BOARD_TIMEOUT_S = 300
# The first board handed out may have died since it registered.
_REQUESTS = 2


@dataclass(frozen=True)
class TrackedBoard:
    """Whichever board of a tracker's `key` is free; all of them should be of one kind."""

    host: str
    port: int
    key: str

    @property
    def address(self) -> str:
        """The tracker's, as people write it."""
        return f"{self.host}:{self.port}"

    def count(self) -> int:
        """Return how many boards the tracker knows under the key.

        Raises:
            UserError: no tracker answers there, or it has no board of this key.
        """
        summary = self._summary()
        keys = [server["key"].removeprefix("server:") for server in summary["server_info"]]
        if self.key in keys:
            return keys.count(self.key)
        known = ", ".join(sorted(set(keys))) or "none"
        raise UserError(
            f"the tracker at {self.address} has no board of the key {self.key!r}; it has: {known}",
            f"start one: python -m tuner serve BOARD --tracker {self.address} --key {self.key}",
        )

    def free(self) -> int:
        """Return how many boards of the key wait for a client; raises as `count` does."""
        self.count()
        queue = self._summary()["queue_info"].get(self.key, {})
        return int(queue.get("free", 0))

    def require_tracker(self) -> None:
        """Raise a `UserError` unless a tracker answers."""
        self._open().close()

    def connect(self, timeout_s: float) -> tvm.rpc.RPCSession:
        """Open a session on the next board that is free.

        Raises:
            UserError: the tracker has none, or none gets free, or the board does not answer.
        """
        self.count()  # the tracker lets a request for an unknown key wait for ever
        tracker = self._open()
        try:
            return within(
                _FREE_BOARD_TIMEOUT_S,
                lambda: tracker.request(self.key, session_timeout=timeout_s, max_retry=_REQUESTS),
            )
        except TookTooLong:
            raise UserError(
                f"no board of the key {self.key!r} got free within {_FREE_BOARD_TIMEOUT_S} s",
                f"see who uses them: python -m tvm.exec.query_rpc_tracker "
                f"--host {self.host} --port {self.port}",
            ) from None
        except RuntimeError as error:
            raise UserError(
                f"the board that the tracker at {self.address} handed out does not answer",
                "see that this host reaches the board, and that it was started with --host 0.0.0.0 "
                "if it is another machine",
            ) from error
        finally:
            tracker.close()

    def _summary(self) -> dict[str, Any]:
        tracker = self._open()
        try:
            return within(_REACH_TIMEOUT_S, tracker.summary)
        except TookTooLong:
            raise self._unreachable("it does not answer") from None
        except OSError as error:
            raise self._unreachable(str(error)) from error
        finally:
            tracker.close()

    def _open(self) -> tvm.rpc.TrackerSession:
        try:
            # TVM's client keeps trying for a minute where nothing listens.
            socket.create_connection((self.host, self.port), timeout=_REACH_TIMEOUT_S).close()
            return within(_REACH_TIMEOUT_S, lambda: tvm.rpc.connect_tracker(self.host, self.port))
        except TookTooLong:
            raise self._unreachable("it does not answer") from None
        except OSError as error:
            raise self._unreachable(error.strerror or str(error)) from error
        except RuntimeError as error:
            raise self._unreachable("what answers is no tracker") from error

    def _unreachable(self, reason: str) -> UserError:
        return UserError(
            f"no TVM RPC tracker at {self.address}: {reason}",
            "start one: python -m tvm.exec.rpc_tracker --host 0.0.0.0 --port 9190",
        )
