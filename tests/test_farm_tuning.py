"""Tuning across the boards of a tracker: the same result, whatever becomes of a board."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
from collections.abc import Iterator

import psutil
import pytest
import tvm.rpc
from test_board_tracker import free_port, tracker
from test_end_to_end import tiny  # noqa: F401  registers the network
from test_farm import KEY, wait_for_boards

from schedules import hardware
from tuner import cli, records
from tuner.board.launch import EmulatedBoard, Registration
from tuner.errors import UserError
from tuner.measure import Measurer, Outcome, TrackedBoard, Trial, farm

pytestmark = pytest.mark.board
TRIALS = 24


@contextlib.contextmanager
def farm_of(*names: str, threads: int | None = None) -> Iterator[tuple[int, list[EmulatedBoard]]]:
    """A tracker's port, and the boards registered with it."""
    port = free_port()
    with tracker(port), contextlib.ExitStack() as stack:
        registration = Registration("127.0.0.1", port, KEY)
        boards = [
            stack.enter_context(
                EmulatedBoard(hardware.board(name), threads=threads, registration=registration)
            )
            for name in names
        ]
        wait_for_boards(port, len(boards))
        yield port, boards


def _tune(capsys, log, *options: str) -> dict:
    command = ["tiny", "--target", "rk3288", "--trials", str(TRIALS), "--log", str(log), "--json"]
    cli.main([*command, *options])
    return json.loads(capsys.readouterr().out)


def _proposals(log) -> list[tuple]:
    """What was measured, and how long it took, without the order of ending."""
    return sorted(
        (record.workload, str(record.schedule), str(record.config), str(record.costs_s))
        for record in records.read(log)
    )


def _kill(remote: tvm.rpc.RPCSession, boards: list[EmulatedBoard]) -> None:
    """SIGKILL for the board that serves `remote`: its listener, the supervisor and the session."""
    remote.upload(bytearray(b"here"), "marker")
    (board,) = [board for board in boards if [*board.folder.rglob("marker")]]
    for process in [*psutil.Process(board.pid).children(recursive=True), psutil.Process(board.pid)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def test_three_boards_one_killed_give_what_one_board_gives(capsys, tmp_path, monkeypatch, caplog):
    alone = _tune(capsys, tmp_path / "alone.jsonl")
    log, connections = tmp_path / "farm.jsonl", itertools.count()
    with farm_of("rk3288", "rk3288", "rk3288") as (port, boards):
        connect = TrackedBoard.connect

        def connect_and_kill(self, timeout_s):
            remote = connect(self, timeout_s)
            if next(connections) == 12:  # after the survey of the farm and some trials
                _kill(remote, boards)
            return remote

        monkeypatch.setattr(TrackedBoard, "connect", connect_and_kill)
        result = _tune(capsys, log, "--tracker", f"127.0.0.1:{port}", "--key", KEY)
        assert [board.running for board in boards].count(False) == 1
    # Whoever notices first repeats the trial: the session that broke, or the farm.
    assert re.search("lost; tries again|failed, on to another board", caplog.text)
    found = records.read(log)
    assert not [record.error for record in found if record.error]
    assert _proposals(log) == _proposals(tmp_path / "alone.jsonl")
    assert result["trials"] == alone["trials"]
    assert result["tuned"]["cycles"] == pytest.approx(alone["tuned"]["cycles"], rel=0.01)


def test_all_boards_work_at_once_and_one_that_comes_back_is_used(tmp_path):
    with farm_of("rk3288", "rk3288", threads=1) as (port, boards):
        tracked = TrackedBoard("127.0.0.1", port, KEY)
        assert tracked.free() == 2
        places = farm.boards(tracked, None)
        assert len(places) == 2 and len(farm.boards(tracked, 1)) == 1
        with pytest.raises(UserError, match=r"has 2 boards of the key .* not 3; choose --boards 2"):
            farm.boards(tracked, 3)
        os.killpg(boards[0].pid, signal.SIGKILL)
        wait_for_boards(port, 1)
        registration = Registration("127.0.0.1", port, KEY)
        board = hardware.board("rk3288")
        with EmulatedBoard(board, threads=1, registration=registration):
            wait_for_boards(port, 2)
            assert len(farm.boards(tracked, 2)) == 2


def test_boards_that_differ_are_refused(capsys):
    with farm_of("rk3288", "rasp3b") as (port, _):
        command = ["tiny", "--target", "rk3288", "--tracker", f"127.0.0.1:{port}", "--key", KEY]
        with pytest.raises(SystemExit) as stop:
            cli.main(command)
        error = capsys.readouterr().err
        assert stop.value.code == 2 and error.count("\n") == 1
        for part in ("1 x rk3288 (cortex-a17,", "1 x rasp3b (", "a key of its own", "MHz"):
            assert part in error
        # One that comes later is not measured on either.
        facts = {"board": "", "core": "cortex-a7", "emulated": False, "clock_hz": 0}
        description = tuple((name, facts.get(name)) for name in farm._DECISIVE)
        place = farm.FarmBoard(TrackedBoard("127.0.0.1", port, KEY), description)
        with pytest.raises(UserError, match=r"board \(cortex-a7, clock unknown, .* real\)"):
            place.connect(10)


@pytest.mark.parametrize("failures", [0, 1, 2, 3])
def test_a_failed_trial_is_repeated_before_it_is_believed(monkeypatch, failures):
    attempts = []

    def measure_one(self, trial):
        attempts.append(trial)
        if len(attempts) > failures:
            return Outcome((1.0,))
        if len(attempts) == 2:
            raise UserError("the board does not answer any more", "restart it")
        return Outcome(error={"kind": "run", "text": "connection reset"})

    monkeypatch.setattr(Measurer, "_measure_one", measure_one)
    trial = Trial(0, None, None)
    with farm.FarmMeasurer("cortex-a17", [], 1) as measurer:
        [(_, outcome)] = measurer.measure([trial])
    assert len(attempts) == min(failures + 1, 3)
    assert outcome.costs_s == ((1.0,) if failures < 3 else ())


def test_a_wrong_answer_is_believed_at_once(monkeypatch):
    attempts = []

    def measure_one(self, trial):
        attempts.append(trial)
        return Outcome(error={"kind": "wrong answer", "text": "off by 1"})

    monkeypatch.setattr(Measurer, "_measure_one", measure_one)
    with farm.FarmMeasurer("cortex-a17", [], 1) as measurer:
        [(_, outcome)] = measurer.measure([Trial(0, None, None)])
    assert len(attempts) == 1 and outcome.error["kind"] == "wrong answer"


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--tracker", "farm:9190"], "--key is missing"),
        (["--tracker", "farm:9190", "--key", "k", "--host", "h", "--port", "1"], "two places"),
        (["--tracker", "farm:9190", "--key", "k", "--threads", "1"], "--threads is for"),
        (["--boards", "2"], "--boards is for a farm; give --tracker"),
    ],
)
def test_options_that_do_not_fit_together(capsys, options, expected):
    with pytest.raises(SystemExit) as stop:
        cli.main(["tiny", "--target", "rk3288", *options])
    assert stop.value.code == 2 and expected in capsys.readouterr().err
