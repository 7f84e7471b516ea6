"""Reaching a board over TVM's RPC, emulated or real, and asking what it is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import tvm.rpc

from schedules import hardware
from schedules.hardware import Board
from tuner.board import session as board_session
from tuner.board.emulator import params
from tuner.errors import UserError
from tuner.measure.time_limit import TookTooLong, within

_REACH_TIMEOUT_S = 5
# A server that serves one client at a time answers when the one before is done.
_HANDSHAKE_TIMEOUT_S = 60
_DESCRIBE_TIMEOUT_S = 20


class Endpoint(Protocol):
    """A board that accepts RPC sessions; `tuner.board.launch.EmulatedBoard` is one."""

    def connect(self, timeout_s: float) -> tvm.rpc.RPCSession:
        """Open a session that the server ends after `timeout_s`."""


class ConnectionLost(Exception):
    """The connection to a board broke, or was not made: no fault of what runs there."""


@dataclass(frozen=True)
class RemoteBoard:
    """A TVM RPC server somewhere on the network."""

    host: str
    port: int

    def connect(self, timeout_s: float) -> tvm.rpc.RPCSession:
        """Open a session.

        Raises:
            UserError: nothing answers there, or not as a TVM RPC server.
        """
        address = f"{self.host}:{self.port}"
        try:
            # TVM's own message does not tell a refused connection from an unknown host.
            socket.create_connection((self.host, self.port), timeout=_REACH_TIMEOUT_S).close()
            return within(
                _HANDSHAKE_TIMEOUT_S,
                lambda: tvm.rpc.connect(self.host, self.port, session_timeout=timeout_s),
            )
        except TookTooLong:
            raise UserError(
                f"the board at {address} accepts connections but does not answer",
                "wait until no other program uses it, or restart its server",
            ) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(
                f"no board answers at {address}: {reason}",
                "start `python -m tuner serve BOARD --port N` or an RPC server there, "
                "and check --host and --port",
            ) from error
        except (RuntimeError, ValueError) as error:
            raise UserError(
                f"what answers at {address} is not a TVM RPC server of this version",
                "start the server of this project or of TVM 0.27 there",
            ) from error


@dataclass(frozen=True)
class BoardInfo:
    """What decides a measured time, as far as it is known.

    Attributes:
        name, core: as `--target` takes them.
        emulated: whether times are model times.
        model: version of the timing model, None on a real board.
        clock_hz: core clock, None where it is not known for certain.
        threads: worker threads of a parallel loop, None where the server does not say.
        tables: digest of the board's figures here (`params.digest`), None on a real board.
    """

    name: str
    core: str
    emulated: bool
    model: int | None
    clock_hz: int | None
    threads: int | None
    tables: str | None = None

    @property
    def label(self) -> str:
        """What stands beside every time shown."""
        return f"(emulated, timing model v{self.model})" if self.emulated else f"({self.name})"

    @property
    def fingerprint(self) -> str:
        """Text that is equal only for boards on which a config takes the same time."""
        kind = f"model{self.model}" if self.emulated else "real"
        if self.tables is not None:
            kind += f"-{self.tables}"
        return f"{self.name}/{self.core}/{kind}/{self.clock_hz}Hz/{self.threads}threads"

    def cycles(self, cost_s: float) -> int | None:
        """Convert seconds to core cycles, where the clock is known."""
        return None if self.clock_hz is None else round(cost_s * self.clock_hz)

    def to_record(self) -> dict[str, Any]:
        """Return the `board` field of a record."""
        return {**asdict(self), "fingerprint": self.fingerprint}


@contextmanager
def session(endpoint: Endpoint, timeout_s: float) -> Iterator[tvm.rpc.RPCSession]:
    """Open an RPC session and close it in any case: a server serves one client at a time.

    Raises:
        UserError, ConnectionLost: none could be opened.
    """
    try:
        remote = endpoint.connect(timeout_s)
    except UserError:
        raise
    except Exception as error:  # whatever TVM's client makes of it
        raise ConnectionLost(str(error)) from error
    try:
        yield remote
    finally:
        # A reference kept by a traceback would otherwise hold the connection open.
        board_session.close(remote)


def describe(endpoint: Endpoint, expected: Board, any_of_core: bool = True) -> BoardInfo:
    """Ask the board what it is; a server that cannot say is taken for a real `expected`.

    Args:
        any_of_core: another board with the same core is welcome too.

    Raises:
        UserError: it is another core or board, or runs other code, than the one to tune for.
    """
    with session(endpoint, _DESCRIBE_TIMEOUT_S) as remote:
        answer = board_session.describe(remote) or {}
    is_emulated = bool(answer.get("emulated", False))
    is_core = is_emulated and answer["core"] == expected.core.name
    is_board = is_core and answer["board"] == expected.name
    if is_emulated and not (is_core if any_of_core else is_board):
        raise UserError(
            f"the board is a {answer['board']} with a {answer['core']}, not a {expected.name}",
            f"use --target {answer['board']}",
        )
    isa = answer.get("isa", expected.core.isa)
    if isa != expected.core.isa:
        raise UserError(
            f"the server on the board runs {isa} code, not {expected.core.isa}",
            f"use a --target of {isa}, or start there what `python -m tuner server-binary "
            f"--target {expected.name}` writes",
        )
    return BoardInfo(
        name=answer["board"] if is_emulated else expected.name,
        core=expected.core.name,
        emulated=is_emulated,
        model=answer["model"] if is_emulated else None,
        clock_hz=answer["clock_hz"] if is_emulated else None,
        threads=answer.get("threads"),
        tables=_tables(answer["board"]) if is_emulated else None,
    )


def emulated_info(board: Board, threads: int | None = None) -> BoardInfo:
    """Return what `describe` says of an emulated `board`, without starting one.

    Args:
        threads: worker threads of a parallel loop; None: one for each core.
    """
    return BoardInfo(
        name=board.name,
        core=board.core.name,
        emulated=True,
        model=params.MODEL_VERSION,
        clock_hz=board.clock_hz,
        threads=threads or board.cores,
        tables=_tables(board.name),
    )


def _tables(name: str) -> str | None:
    """Digest of an emulated board's figures; None if another host has a board we do not know."""
    return params.digest(hardware.board(name)) if name in hardware.boards() else None
