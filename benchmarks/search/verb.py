"""`python -m benchmarks search`: trials that the strategies need, and MetaSchedule beside ours."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.provenance import provenance
from benchmarks.search import replay, spaces
from schedules.hardware import Board
from tuner.board.launch import EmulatedBoard
from tuner.cli.options import resolve_board, target_option
from tuner.errors import UserError
from tuner.report.tables import make_console, make_table

# Half of what random search needs on average is within its luck; this many seeds are not.
_SEEDS = 15
_OF_RANDOM, _OF_BLIND = 0.25, 0.5
_FASTER = 1.5


@click.command("search")
@target_option
@click.option("--seeds", type=click.IntRange(1), default=_SEEDS, show_default=True)
@click.option("--measure", is_flag=True, help="Measure the stored spaces again (half an hour).")
@click.option(
    "--metaschedule",
    "trials",
    type=click.IntRange(1),
    help="Run TVM's MetaSchedule again, with so many trials a layer (an hour).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def search_verb(target: str, seeds: int, measure: bool, trials: int | None, as_json: bool) -> None:
    """Count the trials until a search finds 95 % of the best speed, on stored spaces.

    Every candidate of these was measured once on the emulated board, so that searching them anew
    takes no board. Beside it: TVM's MetaSchedule at an equal number of trials.
    """
    board = resolve_board(target)
    if measure:
        for path in spaces.measure(board):
            print(path, file=sys.stderr)
    paths = [path for layer in spaces.LAYERS if (path := spaces.path_of(*layer, board)).exists()]
    if not paths:
        raise UserError(
            f"no measured spaces of {board.name} are stored",
            f"measure them: python -m benchmarks search --target {target} --measure",
        )
    if trials:
        _run_metaschedule(board, trials)
    stored = [spaces.load(path) for path in paths]
    rows = []
    for each in stored:
        print(each.about["name"], file=sys.stderr, flush=True)
        rows.append(replay.replay(each, seeds))
    document = _document(board, rows, seeds, _beside_metaschedule(board, stored, seeds))
    if as_json:
        print(json.dumps({**document, **provenance()}))
    else:
        _print(document)


def metaschedule_path(board: Board) -> Path:
    return spaces.FOLDER.parent / f"metaschedule.{board.name}.json"


def _run_metaschedule(board: Board, trials: int) -> None:
    """Search every layer with MetaSchedule; each one that is done is stored at once."""
    from benchmarks.search import metaschedule

    rows: list[dict[str, Any]] = []
    with EmulatedBoard(board) as emulated:
        for network, layer in spaces.LAYERS:
            task = spaces.find_task(network, layer)
            found = metaschedule.search(board, emulated, task, trials, 0, os.cpu_count() or 1)
            rows.append(
                {
                    "name": f"{network} {layer}",
                    "cycles": found.cycles,
                    "best_error": found.best_error,
                }
            )
            document = {"board": board.name, "trials": trials, "rows": rows, **provenance()}
            metaschedule_path(board).write_text(json.dumps(document) + "\n")


def _beside_metaschedule(
    board: Board, stored: Sequence[spaces.StoredSpace], seeds: int
) -> dict[str, Any] | None:
    """Our best beside MetaSchedule's, for each layer that it searched."""
    if not metaschedule_path(board).exists():
        return None
    document = json.loads(metaschedule_path(board).read_text())
    theirs = {row["name"]: row for row in document["rows"]}
    rows = []
    for each in stored:
        found = theirs.get(each.about["name"])
        if found is None:
            continue
        replayed = replay.Replay(each)
        best = [
            replayed.best_cycles(replay.TUNER, seed, document["trials"]) for seed in range(seeds)
        ]
        ours, best_theirs = statistics.median_high(best), min(filter(None, found["cycles"]))
        rows.append(
            {
                "name": each.about["name"],
                "metaschedule_cycles": best_theirs,
                "metaschedule_failed": found["cycles"].count(None),
                "ours_cycles": ours,
                "ratio": round(best_theirs / ours, 3),
            }
        )
    if not rows:
        return None
    mean = statistics.geometric_mean(row["ratio"] for row in rows)
    return {
        "trials": document["trials"],
        "rows": rows,
        "ratio": round(mean, 3),
        "bar": _FASTER,
        "holds": mean >= _FASTER,
    }


def _document(
    board: Board,
    rows: Sequence[replay.Row],
    seeds: int,
    metaschedule: dict[str, Any] | None,
) -> dict[str, Any]:
    means = replay.means(rows)
    of_random = means[replay.XGB] / means[replay.RANDOM]
    of_blind = means[replay.XGB] / means[replay.BLIND]
    about = rows[0].stored.about
    return {
        "board": board.name,
        "core": board.core.name,
        "threads": about["board"]["threads"],
        "spaces_model": about["model"],
        "seeds": seeds,
        "near": replay.NEAR,
        "spaces": [
            {
                "name": row.stored.about["name"],
                "workload": row.stored.about["workload"],
                "candidates": len(row.stored.measured),
                "near_candidates": row.near_count,
                "hopeless_candidates": row.hopeless_count,
                "best_cycles": row.stored.best_cycles,
                "trials": dict(row.trials),
            }
            for row in rows
        ],
        "mean_trials": {name: round(mean, 2) for name, mean in means.items()},
        "xgb_of_random": round(of_random, 3),
        "xgb_of_random_bar": _OF_RANDOM,
        "xgb_of_random_holds": of_random <= _OF_RANDOM,
        "xgb_of_blind": round(of_blind, 3),
        "xgb_of_blind_bar": _OF_BLIND,
        "xgb_of_blind_holds": of_blind <= _OF_BLIND,
        "metaschedule": metaschedule,
    }


def _print(document: dict[str, Any]) -> None:
    console = make_console()
    label = f"(emulated, timing model v{document['spaces_model']})"
    table = make_table(
        f"Trials to {document['near']:.0%} of the best on {document['board']}, "
        f"{document['threads']} threads, median of {document['seeds']} seeds {label}"
    )
    table.add_column("space", no_wrap=True)
    names = list(document["mean_trials"])
    for column in ("of", "as good", "hopeless", *names):
        table.add_column(column, justify="right", no_wrap=True)
    for row in document["spaces"]:
        counts = [row[f"{kind}candidates"] for kind in ("", "near_", "hopeless_")]
        trials = [f"{row['trials'][name]:g}" for name in names]
        table.add_row(row["name"], *map(str, counts), *trials)
    means = [f"{document['mean_trials'][name]:.1f}" for name in names]
    table.add_row("geometric mean", "", "", "", *means)
    console.print(table)
    for other, text in (("random", "random search"), ("blind", "xgb without static features")):
        share, bar = document[f"xgb_of_{other}"], document[f"xgb_of_{other}_bar"]
        verdict = "holds" if document[f"xgb_of_{other}_holds"] else "missed"
        console.print(f"xgb needs {share:.2f} of the trials of {text}; bar {bar:g}: {verdict}")
    beside = document["metaschedule"]
    if beside is None:
        return
    table = make_table(f"Best after {beside['trials']} trials, Mcycles {label}")
    table.add_column("layer")
    for column in ("MetaSchedule", "ours", "ours is faster by"):
        table.add_column(column, justify="right")
    for row in beside["rows"]:
        table.add_row(
            row["name"],
            f"{row['metaschedule_cycles'] / 1e6:.3f}",
            f"{row['ours_cycles'] / 1e6:.3f}",
            f"{row['ratio']:.2f}x",
        )
    table.add_row("geometric mean", "", "", f"{beside['ratio']:.2f}x")
    console.print(table)
    verdict = "holds" if beside["holds"] else "missed"
    console.print(f"bar {beside['bar']:g}x: {verdict}")
