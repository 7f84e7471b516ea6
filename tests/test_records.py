"""The log survives a kill at any byte, refuses what it cannot read, and forgets nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner import records
from tuner.errors import UserError
from tuner.records import Log, Record


def _record(tile: int = 8, **changes) -> Record:
    values = {
        "time": "2026-01-02T03:04:05+00:00",
        "network": "squeezenet",
        "workload": "conv2d/float32/n1_3x224x224/64x3x3/s2x2_p0x0x0x0_d1x1_g1",
        "core": "cortex-a17",
        "board": {"name": "rk3288", "emulated": True, "model": 1, "fingerprint": "rk3288/model1"},
        "schedule": {"name": "conv2d_nchw_spatial_pack", "version": 1},
        "config": {"tile": tile, "kernel": "4x8"},
        "costs_s": (0.25,),
        "cycles": 450_000_000,
        "check": {"max_err": 1e-6, "bound": 2e-5},
        "versions": {"tvm": "0.27"},
    }
    return Record(**{**values, **changes})


def test_a_record_comes_back_as_it_was(tmp_path):
    path = tmp_path / "log.jsonl"
    written = [
        _record(),
        _record(static={"loops": [{"fmas": 8.0}]}),
        _record(9, costs_s=(), cycles=None, check=None, error={"kind": "run", "text": "ü\n"}),
    ]
    with Log(path) as log:
        for record in written:
            log.append(record)
    assert records.read(path) == written


@given(
    st.floats(min_value=1e-9, max_value=1e3), st.text(), st.dictionaries(st.text(), st.integers())
)
def test_any_value_survives_the_text_form(cost_s, text, config):
    record = _record(costs_s=(cost_s,), error={"kind": "run", "text": text}, config=config)
    line = record.to_json()
    assert "\n" not in line
    assert Record.from_json(json.loads(line)) == record


def test_truncated_at_every_byte_of_the_last_record(tmp_path):
    whole = [_record(tile) for tile in (4, 8)]
    lines = [record.to_json().encode() + b"\n" for record in whole]
    path = tmp_path / "log.jsonl"
    for kept in range(len(lines[1]) + 1):
        path.write_bytes(lines[0] + lines[1][:kept])
        # A line that lacks nothing but its end is a whole record.
        is_whole = kept >= len(lines[1]) - 1
        survivors = whole if is_whole else whole[:1]
        assert records.read(path) == survivors
        with Log(path) as log:
            assert len(log) == len(survivors)
            log.append(_record(12))
        assert records.read(path) == [*survivors, _record(12)]


def test_the_log_is_only_ever_appended_to(tmp_path):
    path = tmp_path / "log.jsonl"
    torn = _record().to_json().encode() + b'\n{"v": 1, "ti'
    path.write_bytes(torn)
    with Log(path) as log:
        log.append(_record(9))
    assert path.read_bytes().startswith(torn + b"\n")


def test_a_measured_config_is_found_whatever_the_order_of_its_knobs(tmp_path):
    record = _record()
    turned = dict(reversed(record.config.items()))
    with Log(tmp_path / "log.jsonl") as log:
        log.append(record)
        known = (record.workload, record.epilogue, "rk3288/model1", record.schedule, turned)
        assert log.find(records.trial_key(*known)) == record
        for place, other in ((1, ("bias",)), (2, "rk3288/model2")):
            key = records.trial_key(*known[:place], other, *known[place + 1 :])
            assert log.find(key) is None


def test_a_record_without_epilogue_was_measured_with_bias_and_relu():
    document = json.loads(_record().to_json())
    del document["epilogue"]
    assert Record.from_json(document) == _record(epilogue=("bias", "relu"))
    assert Record.from_json(document).key != _record(epilogue=("bias",)).key


def test_unknown_fields_are_kept(tmp_path):
    document = {**json.loads(_record().to_json()), "temperature_c": 61.5}
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(document) + "\n")
    (record,) = records.read(path)
    assert record.unknown == {"temperature_c": 61.5}
    assert json.loads(record.to_json()) == document


def test_a_newer_version_is_refused_with_the_fix(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({**json.loads(_record().to_json()), "v": 99}) + "\n")
    with pytest.raises(UserError, match=r"newer tuner .*git pull"):
        records.read(path)


@pytest.mark.parametrize("content", [b"hello\n", b"[1]\n", b'{"a": 1}\n', b'{"v": 1}\n', b"\xff\n"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"line 1 of .* is not a record"), Log(path):
        pass
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "changes",
    [
        {"board": {"name": "rk3288"}},
        {"board": ["rk3288"]},
        {"schedule": {"name": "conv2d_nchw_spatial_pack"}},
        {"config": [8]},
        {"costs_s": ["fast"]},
        {"costs_s": [None]},
        {"costs_s": [-0.5]},
        {"costs_s": 0.25},
        {"cycles": "many"},
        {"error": "it failed"},
        {"epilogue": [1]},
    ],
    ids=str,
)
def test_a_field_of_another_type_is_refused(tmp_path, changes):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({**json.loads(_record().to_json()), **changes}) + "\n")
    with pytest.raises(UserError, match=r"line 1 of .* is not a record"):
        records.read(path)


def test_a_folder_is_no_log(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    with pytest.raises(UserError, match=r"is a folder.*--log"), Log(folder):
        pass
    assert list(tmp_path.iterdir()) == [folder]


def test_two_writers_are_refused(tmp_path):
    path = tmp_path / "log.jsonl"
    with Log(path), pytest.raises(UserError, match="another tuner is writing"), Log(path):
        pass
    with Log(path) as log:
        log.append(_record())
