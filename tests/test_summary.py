"""README says what the stored results say."""

from __future__ import annotations

import pytest

from benchmarks import summary
from tuner.board.emulator import params

README = summary.ROOT / "README.md"


def test_the_table_in_readme_is_that_of_the_results():
    text = README.read_text(encoding="utf-8")
    assert summary.readme_with(text, summary.results()) == text


def test_results_are_of_the_boards_and_the_model_that_readme_speaks_of():
    assert {"rk3288", "rasp3b-64"} <= {row["board"] for row in summary.results()}
    assert {row["model"] for row in summary.results()} == {params.MODEL_VERSION}


@pytest.mark.parametrize("row", summary.results(), ids=lambda row: row["board"])
def test_what_is_claimed_of_each_board(row):
    assert row["tuned"]["cycles"] < row["hand_picked"]["cycles"]
    assert 8 * row["hand_picked"]["cycles"] <= row["tvm_default"]["cycles"]


def test_another_result_makes_another_table():
    rows = [{**row, "model": row["model"] + 1} for row in summary.results()]
    assert summary.table(rows) != summary.table(summary.results())


def test_the_figure_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    summary.draw(summary.results(), tmp_path / "figure.svg")
    assert b"<svg" in (tmp_path / "figure.svg").read_bytes()
