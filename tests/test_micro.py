"""`python -m benchmarks micro`: what the model takes is what the tables say."""

from __future__ import annotations

import json
import sys

import pytest
from emulator_decoder import Decoder

from benchmarks import __main__ as command
from benchmarks import micro_cases
from schedules import hardware

_POINTER = {"aarch64": "x1", "armv7": "r1"}
DECODER_ISAS = {"aarch64": "a64", "armv7": "a32"}


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Decoder:
    return Decoder(tmp_path_factory.mktemp("decoder"))


@pytest.mark.parametrize("isa", micro_cases.CASES)
def test_each_case_is_of_the_class_it_stands_for(isa, decoder):
    for case in micro_cases.CASES[isa]:
        lines = [case.chain] if case.chain else []
        lines += micro_cases.independent_lines(case, isa) if case.independent else []
        for line in lines:
            text = line.replace("%0", _POINTER[isa]).replace("%1", _POINTER[isa])
            kind = decoder.describe(DECODER_ISAS[isa], text).split()[0]
            assert kind == case.kind + (".q" if case.quad else ""), text


@pytest.mark.parametrize("isa", micro_cases.CASES)
def test_independent_ones_write_different_registers(isa, decoder):
    for case in micro_cases.CASES[isa]:
        if not case.independent or case.kind in ("store", "vstore"):
            continue
        lines = micro_cases.independent_lines(case, isa)
        assert len(set(lines)) >= 4


def test_the_interval_follows_from_the_table():
    core = hardware.core("cortex-a53")
    by_name = {(case.name, case.quad): case for case in micro_cases.CASES["aarch64"]}
    fmla, load = by_name["fmla, to addend", True], by_name["ldr q", True]
    assert micro_cases.table_interval(fmla, core, 16) == 1  # both 64-bit halves
    assert micro_cases.table_interval(load, core, 16) == 2  # 8 bytes a cycle
    assert micro_cases.table_interval(by_name["add", False], core, 8) == 0.5  # two a cycle


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["benchmarks", "micro", *arguments])
        try:
            command.main()
        except SystemExit as end:
            code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_an_unknown_board(capsys):
    code, out, err = run(capsys, "--board", "rk3388")
    assert (code, out) == (2, "")
    assert "rk3288" in err and err.count("\n") == 1


@pytest.mark.board
@pytest.mark.parametrize("name", hardware.cores())
def test_the_model_agrees_with_its_tables(name, capsys):
    code, out, _ = run(capsys, "--board", name, "--json")
    assert code == 0
    (result,) = json.loads(out)["boards"]
    assert result["core"] == name and result["emulated"] is True
    rows, figures = result["rows"], hardware.core(name).figures
    tlb, walk = figures["dtlb_miss_cycles"].value, figures["page_walk_cycles"].value
    for row in rows:
        if row["group"] == "instruction":  # the loop around them shows
            assert row["measured"] == pytest.approx(row["table"], rel=0.03, abs=0.06), row
        elif row["group"] == "chase":  # a small part of the ring is a level nearer
            most = 1.05 * row["table"] + 2 + tlb + (walk if "DRAM" in row["name"] else 0)
            assert 0.95 * row["table"] <= row["measured"] <= most, row
        else:  # no prefetcher hides all of a small core's latency; the last writes end in L2
            assert 0.5 * row["table"] <= row["measured"] <= 1.15 * row["table"], row
    assert {row["group"] for row in rows} == {"instruction", "chase", "stream"}
    assert run(capsys, "--board", name, "--json")[1] == out


@pytest.mark.board
def test_the_table_names_board_and_model(capsys):
    code, out, _ = run(capsys, "--board", "rpi4")
    assert code == 0
    assert out.startswith("rpi4, cortex-a72 (emulated, timing model v")
