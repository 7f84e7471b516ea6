"""Bad input is one line with the fix and exit code 2; `--json` is one object."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from schedules import hardware
from tuner import cli
from tuner.board import launch, toolchain
from tuner.errors import UserError
from tuner.measure import BoardInfo
from tuner.records import Log

_INFO = BoardInfo("rk3288", "cortex-a17", True, 3, 1_800_000_000, 4)


def _run(capsys, *arguments) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of a command."""
    try:
        cli.main(list(arguments))
        code = 0
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _assert_refused(result, *phrases):
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    for phrase in phrases:
        assert phrase in err


@pytest.mark.parametrize(
    "arguments,phrases",
    [
        (["sqeezenet", "--target", "cortex-a17"], ["did you mean 'squeezenet'"]),
        (["squeezenet", "--target", "cortex-a722"], ["cortex-a722", "cortex-a72"]),
        (["squeezenet", "--target", "rk32888"], ["rk32888", "rk3288"]),
        (["squeezenet"], ["--target"]),
        (["squeezenet", "--target", "cortex-a17", "--trials", "0"], ["--trials", "0"]),
        (["squeezenet", "--target", "cortex-a17", "--trials", "-5"], ["--trials", "-5"]),
        (["squeezenet", "--target", "cortex-a17", "--time", "0"], ["'0' is no duration", "15m"]),
        (["squeezenet", "--target", "cortex-a17", "--time", "-3m"], ["'-3m' is no duration"]),
        (["squeezenet", "--target", "cortex-a17", "--time", "soon"], ["'soon' is no duration"]),
        (["plan", "sqeezenet", "--target", "cortex-a17"], ["did you mean 'squeezenet'"]),
        (["plan", "squeezenet", "--target", "rk32888"], ["rk3288"]),
        (["plan", "squeezenet", "--target", "rk3288", "--trials", "0"], ["--trials", "0"]),
        (["export", "sqeezenet", "--target", "rk3288", "-o", "x"], ["did you mean 'squeezenet'"]),
        (["export", "squeezenet", "--target", "rk32888", "-o", "x"], ["rk3288"]),
        (["export", "squeezenet", "--target", "rk3288"], ["--output"]),
        (
            ["export", "squeezenet", "--target=rk3288", "-o=x", "--log=/nowhere"],
            ["no log /nowhere"],
        ),
        (["report", "/nowhere/log.jsonl"], ["there is no log", "NETWORK"]),
        (["report"], ["LOG"]),
        (["compare", "/nowhere/a", "/nowhere/b"], ["there is no log /nowhere/a"]),
        (["compare", "/nowhere/a"], ["LOG_B"]),
        (["squeezenet", "--target", "cortex-a17", "--trials", "many"], ["--trials", "many"]),
        (["squeezenet", "--target", "cortex-a17", "--strategy", "xgbb"], ["xgb", "random"]),
        (["squeezenet", "--target", "cortex-a17", "--tirals", "9"], ["--tirals", "--trials"]),
        (["squeezenet", "--target", "cortex-a17", "--host", "pi"], ["--port is missing"]),
        (["squeezenet", "--target", "cortex-a17", "--port", "9"], ["--host is missing"]),
        (["doctor", "--target", "cortex-a722"], ["cortex-a72"]),
        (["doctor"], ["--target"]),
        (["serve", "rk32888", "--port", "9090"], ["rk3288"]),
        (["serve", "rk3288", "--port", "99999"], ["--port"]),
        (["serve", "rk3288", "--tracker", "farm:9190"], ["--key is missing"]),
        (["serve", "rk3288", "--key", "rk3288"], ["--tracker is missing"]),
        (["serve", "rk3288", "--tracker", "farm", "--key", "k"], ["HOST:PORT", "'farm'"]),
        (["serve", "rk3288", "--tracker", "farm:0", "--key", "k"], ["HOST:PORT", "'farm:0'"]),
        (["doctor", "--target", "rk3288", "--tracker", "farm:9190"], ["--key is missing"]),
        (
            ["doctor", "--target=rk3288", "--tracker=f:1", "--key=k", "--host=h", "--port=1"],
            ["leave one of them out"],
        ),
        (["server-binary", "--target", "rk3288"], ["--output"]),
        (["squeezenet"], ["; see `python -m tuner tune --help`"]),
        (["serve", "rk3288", "extra"], ["; see `python -m tuner serve --help`"]),
        (
            ["squeezenet", "--target", "rk3288", "--threads", "9"],
            ["rk3288 has 4 cores", "--threads 4 or less"],
        ),
        (
            ["explain", "squeezenet", "--target=rk3288", "--layer=conv1", "--threads=9"],
            ["rk3288 has 4 cores", "--threads 4 or less"],
        ),
        (
            ["squeezenet", "--target=rk3288", "--host=h", "--port=1", "--threads=2"],
            ["--threads is for an emulated board", "TVM_NUM_THREADS"],
        ),
        (["squeezenet", "--target=rk3288", "--inject=melt@batch1"], ["'melt@batch1' is no fault"]),
        (
            ["squeezenet", "--target=rk3288", "--host=h", "--port=1", "--inject=lost@batch1"],
            ["--inject is for an emulated board"],
        ),
        (["squeezenet", "--target", "rk3288", "--log", "/dev/full"], ["is a device", "--log"]),
        (["squeezenet", "--target", "rk3288", "--log", ""], ["is a folder", "--log"]),
        (["squeezenet", "--target", "rk3288", "--log", "/tmp"], ["/tmp is a folder", "--log"]),
    ],
)
def test_bad_input_is_one_line_with_the_fix(capsys, arguments, phrases):
    _assert_refused(_run(capsys, *arguments), *phrases)


def test_a_slip_of_a_verb_names_the_verb(capsys):
    _assert_refused(_run(capsys, "docter", "--target", "cortex-a17"), "doctor")


def test_an_unreachable_board(capsys, tmp_path):
    address = ["--host", "127.0.0.1", "--port", str(_unused_port())]
    log = ["--log", str(tmp_path / "log.jsonl")]
    command = ["squeezenet", "--target", "cortex-a17", *address, *log]
    _assert_refused(_run(capsys, *command), "no board answers", "--port")


@pytest.mark.board
def test_a_port_that_is_taken(capsys):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        code, _, err = _run(capsys, "serve", "rk3288", "--port", str(port))
    # Above it may stand that the server was built, at its first use.
    last = err.splitlines()[-1]
    assert code == 2
    assert last.startswith("error: ") and str(port) in last and "--port" in last


@pytest.mark.parametrize("host, warns", [("127.0.0.1", False), ("0.0.0.0", True)])
def test_serve_warns_where_others_can_reach_it(capsys, monkeypatch, host, warns):
    def refuse(*_, **__):
        raise UserError("made up", "")

    monkeypatch.setattr(launch, "EmulatedBoard", refuse)
    code, _, err = _run(capsys, "serve", "rk3288", "--host", host)
    assert code == 2
    assert ("RPC runs any code it is sent" in err) == warns


@pytest.mark.parametrize("content", ["no record\n", '{"v": 99, "workload": "x"}\n'])
def test_a_log_that_cannot_be_used(capsys, tmp_path, content):
    path = tmp_path / "log.jsonl"
    path.write_text(content)
    command = ["squeezenet", "--target", "cortex-a17", "--log", str(path)]
    _assert_refused(_run(capsys, *command), "line 1", "--log")


@pytest.mark.parametrize("verb", [["report"], ["compare", "{log}"], ["best"]])
@pytest.mark.parametrize("content", ["no record\n", '{"v": 99, "workload": "x"}\n', ""])
def test_a_log_that_cannot_be_read(capsys, tmp_path, verb, content):
    path = tmp_path / "log.jsonl"
    path.write_text(content)
    if verb == ["best"] and not content:
        return  # nothing to print is fine
    command = [word.format(log=path) for word in [*verb, "{log}"]]
    _assert_refused(_run(capsys, *command), str(path))


def test_a_log_of_another_network(capsys, squeezenet_log):
    command = ["resnet18", "--target", "rk3288", "--log", str(squeezenet_log)]
    _assert_refused(_run(capsys, *command), "is of squeezenet, not of resnet18", "--log")


def test_a_full_disk(capsys, tmp_path, monkeypatch):
    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tuner.records.os.fsync", fail)
    command = ["squeezenet", "--target", "rk3288", "--log", str(tmp_path / "log.jsonl")]
    address = ["--host", "127.0.0.1", "--port", "1"]
    monkeypatch.setattr("tuner.cli.tune.describe", lambda *_: _INFO)
    _assert_refused(_run(capsys, *command, *address), "No space left on device", "free some space")


def test_no_write_permission(capsys):
    # Not even root may make files there.
    command = ["squeezenet", "--target", "rk3288", "--log", "/sys/tuner/log.jsonl"]
    _assert_refused(_run(capsys, *command), "cannot write the log", "--log")


@pytest.mark.parametrize("output", ["/sys/report.html", "/nowhere/report.html"])
def test_a_report_that_cannot_be_written(capsys, squeezenet_log, output):
    result = _run(capsys, "report", str(squeezenet_log), "-o", output)
    _assert_refused(result, f"cannot write {output}", "-o")


def test_a_log_that_another_tuner_writes(capsys, tmp_path):
    path = tmp_path / "log.jsonl"
    with Log(path):
        command = ["squeezenet", "--target", "cortex-a17", "--log", str(path)]
        _assert_refused(_run(capsys, *command), "another tuner", "--log")


def test_a_log_in_a_place_that_is_no_folder(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    command = ["squeezenet", "--target", "rk3288", "--log", str(tmp_path / "file" / "log.jsonl")]
    _assert_refused(_run(capsys, *command), "--log")


def test_no_qemu(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TVM_ARM_QEMU_DIR", raising=False)
    command = ["squeezenet", "--target", "cortex-a17", "--log", str(tmp_path / "log.jsonl")]
    _assert_refused(_run(capsys, *command), "apt-get install")


@pytest.mark.parametrize("target, isa", [("cortex-a17", "armv7"), ("rpi4", "aarch64")])
def test_no_compiler(capsys, monkeypatch, tmp_path, target, isa):
    for name in ("qemu-arm", "qemu-aarch64"):  # so that it is not QEMU that is missed first
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(f"TVM_ARM_CXX_{isa.upper()}", raising=False)
    monkeypatch.setattr(toolchain, "_zig", lambda: None)
    toolchain.find.cache_clear()
    command = ["squeezenet", "--target", target, "--log", str(tmp_path / "log.jsonl")]
    _assert_refused(_run(capsys, *command), f"no C++ compiler for {isa}", "apt-get install g++-")
    code, out, _ = _run(capsys, "doctor", "--target", target)
    assert code == 2
    assert out.splitlines()[-1].startswith("FAIL  ARM compiler: ")
    toolchain.find.cache_clear()


def test_doctor_of_an_unreachable_board(capsys):
    port = str(_unused_port())
    code, out, _ = _run(capsys, "doctor", "--target", "rpi4", "--host", "127.0.0.1", "--port", port)
    assert code == 2
    last = out.splitlines()[-1]
    assert last.startswith(f"FAIL  RPC answers: no board answers at 127.0.0.1:{port}")
    assert "tuner serve" in last


def test_doctor_names_the_step_that_fails(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("TVM_ARM_QEMU_DIR", raising=False)
    code, out, _ = _run(capsys, "doctor", "--target", "cortex-a17")
    assert code == 2
    last = out.splitlines()[-1]
    assert last.startswith("FAIL ") and "apt-get install" in last


@pytest.mark.parametrize("verb", ["boards", "--help"])
def test_output_that_cannot_be_written(verb):
    command = [sys.executable, "-m", "tuner", verb]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("error: cannot write the output")
    assert result.stderr.count("\n") == 1


def test_other_errors_of_files_are_not_taken_for_it(monkeypatch):
    def fail(*_, **__):
        raise OSError("made up")

    monkeypatch.setattr(cli.command_line, "main", fail)
    with pytest.raises(OSError, match="made up"):
        cli.main(["boards"])


def test_ctrl_c_prints_the_command_that_continues(capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tuner.cli.job.resolve_board", interrupt)
    monkeypatch.setattr("sys.argv", ["tuner", "squeezenet", "--target", "cortex-a17"])
    code, _, err = _run(capsys, "squeezenet", "--target", "cortex-a17")
    assert code == 130
    assert "python -m tuner squeezenet --target cortex-a17" in err


def test_boards_lists_every_board(capsys):
    code, out, _ = _run(capsys, "boards")
    assert code == 0
    lines = out.splitlines()
    for name in hardware.boards():
        board = hardware.board(name)
        peak = board.core.peak_flops_per_cycle * board.cores * board.clock_hz / 1e9
        assert any(name in line.split() and f"{peak:.1f} GFLOP/s" in line for line in lines)
    for name in hardware.cores():
        core = hardware.core(name)
        words = {name, core.usual_board, core.llvm["mtriple"]}
        assert any(words <= {*line.split()} for line in lines)
        assert f"-mcpu={core.llvm['mcpu']}" in out


@pytest.mark.parametrize("verb", [None, *cli.command_line.commands])
def test_every_verb_explains_itself(capsys, verb):
    code, out, _ = _run(capsys, *([verb] if verb else []), "--help")
    assert code == 0
    assert "Usage: python -m tuner" in click.unstyle(out)


def test_without_arguments_it_explains_itself(capsys):
    code, out, _ = _run(capsys)
    assert code == 0
    assert "NETWORK --target" in out


@pytest.mark.board
def test_doctor_finds_all_well(capsys):
    code, out, _ = _run(capsys, "doctor", "--target", "cortex-a17")
    assert code == 0
    assert all(line.startswith("ok ") for line in out.splitlines())
    assert "emulated" in out.splitlines()[-1]
