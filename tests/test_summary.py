"""README and docs say what the stored results say."""

from __future__ import annotations

import json

import pytest

from benchmarks import generated, summary
from benchmarks.peers import stored
from schedules import hardware
from tuner import networks
from tuner.board.emulator import params

RESULTS = summary.results()
COMPARED = stored.results()


@pytest.mark.parametrize(
    ("page", "mark", "table"),
    [
        (summary.README, summary.MARK, summary.table(RESULTS)),
        (stored.PAGE, stored.MARK, stored.table(COMPARED)),
    ],
    ids=["README", "peers"],
)
def test_the_table_of_a_page_is_that_of_the_results(page, mark, table):
    text = page.read_text(encoding="utf-8")
    assert generated.page_with(text, mark, table) == text


@pytest.mark.parametrize(
    ("path", "rows"),
    [(summary.FIGURE, RESULTS), *((path, COMPARED) for path in stored.FIGURES)],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_a_figure_is_that_of_the_results(path, rows):
    assert generated.is_of(path, rows), "python -m benchmarks summary"


def test_results_are_of_the_boards_and_the_model_that_readme_speaks_of():
    assert {"rk3288", "rasp3b-64"} <= {row["board"] for row in RESULTS}
    assert {row["model"] for row in [*RESULTS, *COMPARED]} == {params.MODEL_VERSION}


@pytest.mark.parametrize("row", RESULTS, ids=lambda row: row["board"])
def test_what_is_claimed_of_each_board(row):
    assert row["tuned"]["cycles"] < row["hand_picked"]["cycles"]
    assert 8 * row["hand_picked"]["cycles"] <= row["tvm_default"]["cycles"]


@pytest.mark.parametrize("found", COMPARED, ids=lambda each: f"{each['network']}-{each['board']}")
def test_what_is_stored_of_other_libraries(found):
    assert found["network"] in networks.names()
    assert hardware.board(found["board"]).clock_hz == found["clock_hz"]
    assert f"--network {found['network']} --target {found['board']}" in found["command"]
    ran = {row["name"]: row["cycles"] for row in found["rows"] if row["cycles"]}
    ours = min(ran.pop("hand_picked"), ran.pop("tuned"))
    assert min(ran.values()) / ours == pytest.approx(found["ratio_to_best_peer"], abs=1e-3)
    assert {row["name"] for row in found["rows"] if row["missing"]}.isdisjoint(ran)


def test_another_result_makes_another_table_and_figure():
    rows = [{**row, "model": row["model"] + 1} for row in RESULTS]
    assert summary.table(rows) != summary.table(RESULTS)
    assert not generated.is_of(summary.FIGURE, rows)
    compared = json.loads(json.dumps(COMPARED))
    compared[0]["rows"][0]["cycles"] *= 2
    assert stored.table(compared) != stored.table(COMPARED)


@pytest.mark.parametrize(
    ("draw", "rows"), [(summary.draw, RESULTS), (stored.draw, COMPARED)], ids=["speed", "peers"]
)
def test_the_figure_is_drawn(draw, rows, tmp_path):
    pytest.importorskip("matplotlib")
    draw(rows, tmp_path / "figure.svg")
    assert b"<svg" in (tmp_path / "figure.svg").read_bytes()
    assert generated.is_of(tmp_path / "figure.svg", rows)
