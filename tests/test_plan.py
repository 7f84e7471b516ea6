"""`tuner plan`: what would be tuned, in what time; it measures and writes nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import logs
import pytest
from click.testing import CliRunner

from tuner import records
from tuner.board import launch
from tuner.board.emulator import params
from tuner.cli.plan import plan_verb


@pytest.fixture(autouse=True)
def nothing_is_measured(monkeypatch, tmp_path):
    """No board may start; files would appear in a folder that stays empty."""

    def refuse(*_, **__):
        raise AssertionError("plan started a board")

    monkeypatch.setattr(launch, "EmulatedBoard", refuse)
    monkeypatch.chdir(tmp_path)


def _print(*options: str) -> str:
    command = ["squeezenet", "--target", "cortex-a17", *options]
    return CliRunner().invoke(plan_verb, command, catch_exceptions=False).output


def _json(*options: str) -> dict:
    return json.loads(_print("--json", *options))


def test_it_says_what_how_much_and_how_long(tmp_path):
    shown = " ".join(_print().split())
    for fact in (
        f"SqueezeNet 1.1, 224x224 on rk3288 (emulated, timing model v{params.MODEL_VERSION})",
        "26 convolutions, 18 distinct, 349.2 MMAC",
        "among them 8 fire modules of three, 8 distinct, which are searched as a whole, too",
        "in the same kernel: bias + relu",
        "cortex-a17 at 1.8 GHz, 4 threads, at most 28.8 GFLOP/s",
        "budget: at most 192 trials, strategy xgb, seed 0",
        "0 results of these convolutions on this board",
    ):
        assert fact in shown
    assert list(tmp_path.iterdir()) == []


def test_json_agrees_with_the_network():
    plan = _json()
    assert sum(len(layer["names"]) for layer in plan["layers"]) == 26
    assert sum(len(module["names"]) for module in plan["modules"]) == 8
    assert all(task["candidates"] > 10 for task in plan["layers"] + plan["modules"])
    assert (plan["board"], plan["threads"], plan["trials"]) == ("rk3288", 4, 192)


def test_more_trials_take_longer_and_time_is_a_limit():
    few, many = _json("--trials", "50"), _json("--trials", "500")
    assert 0 < few["expected_search_s"] < many["expected_search_s"]
    limited = _json("--trials", "5000", "--time", "2m")
    assert limited["expected_search_s"] <= limited["time_s"] == 120
    # With --time alone there is no other limit.
    assert _json("--time", "1.5h")["trials"] is None


def test_what_the_log_knows_is_not_planned_again(tmp_path):
    log = logs.squeezenet(tmp_path / "log.jsonl")
    plan = _json("--log", str(log), "--trials", "60")
    known = [record for record in records.read(log) if record.board["threads"] == 4]
    assert plan["results"] == len(known)
    assert plan["expected_search_s"] < _json("--trials", "60")["expected_search_s"]
    # On another number of threads nothing of it counts.
    assert _json("--log", str(log), "--threads", "2")["results"] == 0


def test_the_logs_own_times_are_expected(tmp_path):
    slow = [replace(r, build_s=30.0) for r in records.read(logs.squeezenet(tmp_path / "a.jsonl"))]
    (tmp_path / "slow.jsonl").write_text("".join(record.to_json() + "\n" for record in slow))
    expected = [_json("--log", str(tmp_path / name)) for name in ("a.jsonl", "slow.jsonl")]
    assert expected[0]["expected_search_s"] * 5 < expected[1]["expected_search_s"]
