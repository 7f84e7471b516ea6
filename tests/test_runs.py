"""Lines about whole runs: they come back, are not repeated, and are kept apart from trials."""

from __future__ import annotations

import json
from dataclasses import replace

import logs
import pytest

from tuner import records
from tuner.errors import UserError
from tuner.records import Log


def test_a_run_comes_back_as_it_was(squeezenet_log, tmp_path):
    begun, ended = records.read_runs(squeezenet_log)
    assert begun.builds is None and begun.kernels == ()
    assert ended == replace(begun, builds=logs.BUILDS, kernels=logs.KERNELS)
    with Log(tmp_path / "again.jsonl") as log:
        log.append_run(ended)
    assert records.read_runs(tmp_path / "again.jsonl") == [ended]
    assert records.read(tmp_path / "again.jsonl") == []


def test_what_the_log_says_already_is_not_said_again(squeezenet_log):
    begun, ended = records.read_runs(squeezenet_log)
    before = squeezenet_log.read_bytes()
    with Log(squeezenet_log) as log:
        log.append_run(replace(begun, time="2030-01-01T00:00:00+00:00"))
        log.append_run(ended)
        assert squeezenet_log.read_bytes() == before
        log.append_run(replace(begun, settings={**begun.settings, "seed": 1}))
    assert len(records.read_runs(squeezenet_log)) == 3


def test_lines_have_the_lowest_version_that_knows_them(squeezenet_log):
    lines = [json.loads(line) for line in squeezenet_log.read_text().splitlines()]
    assert {(line["v"], line.get("kind")) for line in lines} == {(1, None), (2, "run")}


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": [{"workload": "x"}]},
        {"layers": 3},
        {"board": {"name": "rk3288"}},
        {"builds": {"tuned": {"cost_s": "fast"}}},
        {"builds": {"tuned": 3}},
        {"kernels": [{"name": "softmax"}]},
    ],
    ids=str,
)
def test_a_field_of_another_type_is_refused(tmp_path, squeezenet_log, changes):
    last = json.loads(squeezenet_log.read_text().splitlines()[-1])
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({**last, **changes}) + "\n")
    with pytest.raises(UserError, match=r"line 1 of .* is not a record"):
        records.read(path)
