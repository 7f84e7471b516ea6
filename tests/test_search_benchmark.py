"""`python -m benchmarks search`: replays on a small stored space, and what is printed of them."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import bench_command
import pytest

from benchmarks.search import replay, spaces, verb
from schedules import Conv2dWorkload, hardware
from tuner.errors import UserError
from tuner.records import Record
from tuner.search import Space

_BOARD = hardware.board("rk3288")
_WORKLOAD = Conv2dWorkload(1, 8, 14, 14, 12, 1, 1)
_LOOP = {"depth": 2, "instructions": 30, "cycles": 24.0, "fmas": 12.0, "loads": 6, "stores": 0}
_STATIC = {"loops": [{**_LOOP, "stored": 0, "spills": 0, "undecoded": 0}]}
_LAYER = ("made_up", "layer")


def _record(space, candidate) -> Record:
    """What a board might have said: the least time, and up to as much again."""
    noise = zlib.crc32(candidate.key.encode()) % 100 / 100
    least_s = space.least_s(candidate, _STATIC)
    return Record(
        time="2026-01-02T03:04:05+00:00",
        network="made_up",
        workload=_WORKLOAD.key,
        core="cortex-a17",
        board={"fingerprint": "made up"},
        schedule={"name": candidate.schedule, "version": candidate.version},
        config=dict(candidate.config),
        cycles=round(least_s * (1 + noise) * _BOARD.clock_hz) + 1,
        static=_STATIC,
    )


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A measured space in a folder of its own."""
    monkeypatch.setattr(spaces, "FOLDER", tmp_path / "spaces")
    monkeypatch.setattr(spaces, "LAYERS", (_LAYER,))
    space = Space(_WORKLOAD, _BOARD.core)
    about = {
        "name": "made_up layer",
        "workload": _WORKLOAD.key,
        "core": "cortex-a17",
        "board": {"clock_hz": _BOARD.clock_hz, "threads": 4},
        "model": 0,
    }
    path = spaces.path_of(*_LAYER, _BOARD)
    spaces.store(path, about, space, [_record(space, candidate) for candidate in space])
    return spaces.load(path)


def test_a_stored_space_comes_back_as_it_was(stored):
    space = Space(_WORKLOAD, _BOARD.core)
    assert [each.candidate for each in stored.measured] == list(space)
    assert stored.best_cycles == min(_record(space, each).cycles for each in space)
    path = spaces.path_of(*_LAYER, _BOARD)
    before = path.read_bytes()
    records = [_record(space, candidate) for candidate in space]
    spaces.store(path, dict(stored.about), space, records)
    assert path.read_bytes() == before


@pytest.mark.parametrize("way", replay.WAYS, ids=lambda way: way.name)
def test_a_replay_ends_and_repeats_itself(stored, way):
    replayed = replay.Replay(stored)
    trials = replayed.trials(way, 0)
    assert 1 <= trials <= len(stored.measured)
    assert replayed.trials(way, 0) == trials
    assert replayed.best_cycles(way, 0, trials) <= stored.best_cycles / replay.NEAR


def test_a_hopeless_candidate_costs_no_trial(stored):
    replayed = replay.Replay(stored)
    best_s = stored.best_cycles / _BOARD.clock_hz
    hopeless = {
        each.candidate
        for each in stored.measured
        if replayed.space.least_s(each.candidate, each.static) > best_s
    }
    assert replayed.hopeless_count == len(hopeless) > 0
    way = next(way for way in replay.WAYS if way.name == replay.XGB)
    order = list(replayed.order(way, 0))
    assert set(order) == {each.candidate for each in stored.measured}
    best = min(stored.measured, key=lambda each: each.cycles).candidate
    after = order[order.index(best) + 4 : len(order) - len(hopeless)]
    assert not hopeless & set(after)


def test_a_space_of_other_schedules_is_refused(stored):
    with pytest.raises(UserError, match=r"lacks conv2d.* search --measure"):
        replay.Replay(replace(stored, measured=stored.measured[1:]))


def test_the_verb_prints_all_that_it_documents(stored, capsys):
    theirs = [None, 10 * stored.best_cycles, 2 * stored.best_cycles]
    row = {"name": "made_up layer", "cycles": theirs, "best_error": 1e-6}
    path = verb.metaschedule_path(_BOARD)
    path.write_text(json.dumps({"trials": 3, "rows": [row]}))
    options = ("search", "--target", "cortex-a17", "--seeds", "2")
    code, out, _ = bench_command.run(capsys, *options, "--json")
    document = json.loads(out)
    assert code == 0
    (space,) = document["spaces"]
    assert space["candidates"] == len(stored.measured)
    assert document["mean_trials"].keys() == {way.name for way in replay.WAYS}
    beside = document["metaschedule"]
    assert beside["trials"] == 3 and beside["rows"][0]["metaschedule_failed"] == 1
    assert beside["rows"][0]["metaschedule_cycles"] == 2 * stored.best_cycles
    assert beside["holds"] == (beside["ratio"] >= beside["bar"])
    code, out, _ = bench_command.run(capsys, *options)
    assert code == 0 and "(emulated, timing model v0)" in out and "made_up layer" in out


def test_without_stored_spaces_it_says_how_to_get_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(spaces, "FOLDER", tmp_path)
    code, _, err = bench_command.run(capsys, "search", "--target", "cortex-a17")
    assert code == 2 and "search --target cortex-a17 --measure" in err


@pytest.mark.parametrize("layer", spaces.LAYERS, ids=".".join)
def test_no_stored_candidate_beats_its_least_time(layer):
    path = spaces.path_of(*layer, _BOARD)
    if not path.exists():
        pytest.skip("not measured")
    stored = spaces.load(path)
    space = Space(stored.workload, _BOARD.core)
    beaten = [
        each.candidate.key
        for each in stored.measured
        if each.cycles is not None
        and each.candidate in space
        and each.cycles / _BOARD.clock_hz < space.least_s(each.candidate, each.static)
    ]
    assert not beaten
