"""`python -m benchmarks rate`: which convolutions are measured, and what is shown."""

from __future__ import annotations

import contextlib
import json

import bench_command
import pytest

from benchmarks import rate
from schedules import hardware
from tuner import networks
from tuner.errors import UserError
from tuner.measure import Outcome


class _Measurer:
    """Every other candidate fails."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def measure(self, trials):
        for trial in trials:
            error = {"kind": "run", "text": "it crashed"} if trial.index % 2 else None
            yield trial, Outcome((1e-3,), error, None, build_s=0.5, run_s=0.25)


@pytest.mark.parametrize("as_json", [True, False])
def test_every_workload_is_a_row(capsys, monkeypatch, as_json):
    monkeypatch.setattr(rate, "open_boards", lambda *_: contextlib.nullcontext([]))
    monkeypatch.setattr(rate, "Measurer", _Measurer)
    arguments = ["rate", "--target", "rk3288", "--candidates", "4", *(["--json"] * as_json)]
    code, out, _ = bench_command.run(capsys, *arguments)
    assert code == 0
    if as_json:
        rows = json.loads(out)["rows"]
        assert rows and all(20e6 <= row["macs"] <= 40e6 for row in rows)
        for row in rows:
            assert (row["candidates"], row["failed"]) == (4, 2)
            assert (row["build_s"], row["run_s"]) == (0.5, 0.25)
    else:
        assert "fire2_expand3x3" in out and "emulated" in out and "0.50 s" in out


def test_a_network_without_such_convolutions(monkeypatch):
    small = bench_command.small_network()
    monkeypatch.setattr(networks, "get", lambda name: small)
    with pytest.raises(UserError, match="no convolution of 20 to 40 MMAC"):
        rate.find_tasks("small", hardware.board("rk3288"))
