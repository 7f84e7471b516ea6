"""The clock guard: the loop tells the clock, and what is measured under a low one is repeated."""

import pytest
from board_kernels import session_with
from tvm.rpc.server import Server

from schedules import hardware
from tuner.board import session as board_session
from tuner.errors import UserError
from tuner.measure import RemoteBoard, connection, health
from tuner.measure.boards import ConnectionLost
from tuner.measure.errors import TrialError
from tuner.measure.health import ClockGuard, Health

_BOARD = hardware.board("rpi4")
_MHZ = 1e6


@pytest.mark.board
@pytest.mark.parametrize("name", hardware.boards())
def test_the_loop_tells_the_clock(running_board, name):
    emulated = running_board(name)
    found = health.read(emulated, emulated.board)
    assert found.clock_hz == pytest.approx(emulated.board.clock_hz, rel=0.01)
    # The host's clock and temperature are not the emulated board's.
    assert found == Health(found.clock_hz)
    with session_with(emulated) as (remote, _):
        assert board_session.health(remote) == {}


def test_a_stock_server_says_nothing_of_its_health():
    server = Server(host="127.0.0.1", port=9600, port_end=9700, silent=True)
    try:
        remote = RemoteBoard("127.0.0.1", server.port).connect(10)
        assert board_session.health(remote) is None
        board_session.close(remote)
    finally:
        server.terminate()


class _Board:
    """Says one state after the other; the last one again and again."""

    def __init__(self, *states: Health) -> None:
        self.states = list(states)
        self.waits: list[float] = []
        self.batches = 0

    def read(self, *_) -> Health:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def guard(self) -> ClockGuard:
        return ClockGuard([self], _BOARD, sleep=self.waits.append, read=self.read)

    def measure(self):
        self.batches += 1
        yield self.batches


def _mhz(clock: float, **facts) -> Health:
    return Health(clock * _MHZ, **facts)


def test_a_board_that_is_well_is_not_bothered(caplog):
    board = _Board(_mhz(1800), _mhz(1790))
    assert board.guard().approved(board.measure) == [1]
    assert not board.waits and not caplog.messages


@pytest.mark.parametrize(
    "state, phrases",
    [
        (_mhz(600), ["600 MHz instead of 1800: weak power supply, or heat; waits 30 s"]),
        (_mhz(600, temperature_c=81.2), ["600 MHz instead of 1800 at 81 C: heat; waits 30 s"]),
        (_mhz(600, throttled=0x50005), ["weak power supply (the firmware saw"]),
        (_mhz(600, governor="powersave"), ["governor `powersave`"]),
        # The clock is back, but the firmware remembers.
        (_mhz(1800, throttled=0x50000), ["lowered its clock for a moment: weak power supply"]),
        (_mhz(1800, throttled=0x80000), ["lowered its clock for a moment: heat"]),
    ],
)
def test_a_batch_under_a_lowered_clock_is_measured_again(caplog, state, phrases):
    board = _Board(_mhz(1800), state, _mhz(1800, throttled=state.throttled & 0xF0000))
    assert board.guard().approved(board.measure) == [2]
    assert board.waits == [30]
    (message,) = caplog.messages
    assert all(phrase in message for phrase in phrases), message


def test_what_a_trial_saw_counts_too():
    board = _Board(_mhz(1800))
    guard = board.guard()

    def measure():
        yield from board.measure()
        if board.batches == 1:
            board.states = [_mhz(600), _mhz(1800)]
        guard.look(board)

    assert guard.approved(measure) == [2]


def test_it_is_not_measured_before_the_clock_is_back():
    board = _Board(_mhz(900, max_clock_hz=1_800_000_000), _mhz(900), _mhz(1800))
    assert board.guard().approved(board.measure) == [1]
    assert board.waits == [30, 60]


def test_a_clock_that_stays_low_is_an_error_that_says_what_to_do():
    board = _Board(_mhz(1800), _mhz(600))
    with pytest.raises(UserError, match=r"600 MHz instead of 1800.*after 4 waits; mend that"):
        board.guard().approved(board.measure)
    assert board.waits == [30, 60, 120, 240]


@pytest.mark.parametrize("bits", [0x50000, 0xF0000])
def test_what_was_before_the_run_is_not_held_against_it(caplog, bits):
    board = _Board(_mhz(1800, throttled=bits))
    assert board.guard().approved(board.measure) == [1]
    assert not caplog.messages


def test_a_first_clock_that_is_not_the_tables_is_said(caplog):
    board = _Board(_mhz(600))
    assert board.guard().approved(board.measure) == [1]
    assert "runs at 600 MHz, a rpi4 at 1800" in caplog.messages[0]
    # Where a kernel says what is usual here, that counts.
    caplog.clear()
    board = _Board(_mhz(1500, max_clock_hz=1_500_000_000))
    assert board.guard().approved(board.measure) == [1]
    assert not caplog.messages


def test_a_connection_that_breaks_each_time_is_an_error_of_the_trial(monkeypatch):
    monkeypatch.setattr(connection, "wait_for", lambda _: None)
    attempts = []

    def run():
        attempts.append(1)
        raise ConnectionLost("hung up")

    with pytest.raises(TrialError, match="3 times, the last time: hung up") as raised:
        connection.persist(None, run)
    assert raised.value.kind == "lost connection" and len(attempts) == 3


def test_a_board_that_comes_back_is_waited_for(monkeypatch, caplog):
    monkeypatch.setattr(connection, "_POLL_S", 0)
    errors = [UserError("no board answers at pi:9090")] * 3

    def alive(_):
        if errors:
            raise errors.pop()

    monkeypatch.setattr(connection, "require_alive", alive)
    connection.wait_for(None)
    assert caplog.messages == ["no board answers at pi:9090; waits up to 120 s for it"]


def test_a_board_that_does_not_come_back_ends_the_run(monkeypatch):
    monkeypatch.setattr(connection, "_POLL_S", 0)
    monkeypatch.setattr(connection, "_COME_BACK_S", 0)

    def refuse(_):
        raise UserError("no board answers at pi:9090")

    monkeypatch.setattr(connection, "require_alive", refuse)
    with pytest.raises(UserError, match="no board answers"):
        connection.persist(None, lambda: refuse(None))
