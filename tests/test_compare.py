"""`tuner compare`: which log is better, by how much, and what else differs."""

from __future__ import annotations

import json

import logs
import pytest
from click.testing import CliRunner

from tuner import records
from tuner.board.emulator import params
from tuner.cli.compare import compare_verb
from tuner.errors import UserError
from tuner.report import results
from tuner.report.comparison import compare


def _compare(a, b):
    return compare(results.read(a)[0], results.read(b)[0])


def _print(*arguments) -> str:
    command = [str(argument) for argument in arguments]
    return CliRunner().invoke(compare_verb, command, catch_exceptions=False).output


def test_a_log_equals_itself(squeezenet_log):
    comparison = _compare(squeezenet_log, squeezenet_log)
    assert len(comparison.pairs) == 26
    assert comparison.geometric_mean == 1
    assert comparison.differences == []
    assert "A is faster in 0, B in 0 of 26 convolutions and fire modules; 26 are equal" in _print(
        squeezenet_log, squeezenet_log
    )


def test_the_faster_log_is_named_with_the_factor(squeezenet_log, tmp_path):
    faster = logs.squeezenet(tmp_path / "b.jsonl", speed=1.1)
    shown = _print(squeezenet_log, faster)
    assert "A is faster in 0, B in 26 of 26" in shown
    assert "1.100x (B is 10.0% faster)" in shown
    assert f"(emulated, timing model v{params.MODEL_VERSION})" in shown
    assert "1.100x (A is 10.0% faster)" not in shown
    assert "0.909x (A is 10.0% faster)" in _print(faster, squeezenet_log)


def test_json(squeezenet_log, tmp_path):
    faster = logs.squeezenet(tmp_path / "b.jsonl", speed=2.0)
    result = json.loads(_print(squeezenet_log, faster, "--json"))
    assert result["geometric_mean"] == pytest.approx(2.0)
    assert {layer["faster"] for layer in result["layers"]} == {"B"}
    assert result["a"]["model"] == params.MODEL_VERSION and result["network"]["tuned"]["ratio"] == 1


def test_other_boards_models_and_versions_are_said(squeezenet_log, tmp_path):
    changes = {"name": "rpi4", "model": 0, "threads": 2, "fingerprint": "rpi4/model0"}
    other = logs.squeezenet(tmp_path / "b.jsonl", board_changes=changes)
    text = other.read_text().replace('"tvm": "0.27.0.post1"', '"tvm": "0.28"')
    other.write_text(text)
    assert _compare(squeezenet_log, other).differences == [
        "board: rk3288 and rpi4",
        f"times: emulated, timing model v{params.MODEL_VERSION} and emulated, timing model v0",
        "threads: 4 and 2",
        "versions: llvm 22, project 0.1.0, tvm 0.27.0.post1 and llvm 22, project 0.1.0, tvm 0.28",
    ]
    assert "They differ in board: rk3288 and rpi4" in _print(squeezenet_log, other)


def test_a_real_boards_noise_is_no_gain(squeezenet_log, tmp_path):
    real = {"emulated": False, "model": None, "fingerprint": "rk3288/real"}
    a = logs.squeezenet(tmp_path / "a.jsonl", board_changes=real)
    b = logs.squeezenet(tmp_path / "b.jsonl", speed=1.01, board_changes=real)
    assert _compare(a, b).verdict(1.01) == "equal"
    assert "26 are equal" in _print(a, b)
    assert _compare(squeezenet_log, squeezenet_log).verdict(1.01) == "B"


def test_layers_that_one_log_lacks_are_named_and_do_not_count(squeezenet_log, tmp_path):
    kept = [record for record in records.read(squeezenet_log) if "1000x1x1" not in record.workload]
    part = tmp_path / "part.jsonl"
    part.write_text("".join(record.to_json() + "\n" for record in kept))
    comparison = _compare(squeezenet_log, part)
    assert len(comparison.pairs) == 25 and comparison.only_a == ["conv10"]
    assert "only in A: conv10" in _print(squeezenet_log, part)
    assert _compare(part, squeezenet_log).only_b == ["conv10"]


def test_nothing_in_common(squeezenet_log, tmp_path):
    other = tmp_path / "other.jsonl"
    first = records.read(squeezenet_log)[-1].to_json()
    other.write_text(first.replace("/1000x1x1/", "/999x1x1/") + "\n")
    with pytest.raises(UserError, match="no convolution in common"):
        _compare(squeezenet_log, other)
