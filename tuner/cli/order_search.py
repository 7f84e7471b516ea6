"""`python -m tuner order-search`: the best instruction order of the micro-kernels of a core."""

from __future__ import annotations

import re
from pathlib import Path

import click
from rich.console import Console

from schedules.hardware import Board
from schedules.microkernels import orders, tiles
from tuner.board.emulator.params import MODEL_VERSION
from tuner.cli.options import resolve_board, target_option
from tuner.errors import UserError
from tuner.kernel_search import store
from tuner.kernel_search.program import Confirmation, confirm
from tuner.kernel_search.search import Cost, Found, loop_lines, random_orders, search, searchable
from tuner.report.progress import OrderProgress
from tuner.report.tables import make_console, make_table

_RANDOM_ORDERS = 50
_ERROR_BOUND = 2e-6  # of sums of up to 256 products, relative to the sum of their magnitudes


@click.command("order-search")
@target_option
@click.option("--tile", metavar="MRxNR", help="One register tile, e.g. 4x8.  [default: all]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--evals",
    type=click.IntRange(min=1),
    default=400_000,
    show_default=True,
    help="Orders to try of each tile.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=orders.FOLDER,
    help="Where orders are stored.  [default: where the kernels look for them]",
)
def order_search_verb(target: str, tile: str | None, seed: int, evals: int, folder: Path) -> None:
    """Search the instruction order of the micro-kernels' loops by simulated annealing.

    Every order tried is legal, and costs what the core's model says. The best is run under QEMU,
    where it has to take the same cycles and give the right sums, and stored if it is the fastest.
    On an out-of-order core there is nothing to search; this is shown instead.
    """
    board = resolve_board(target)
    console = make_console()
    chosen = _chosen(board, tile)
    if board.core.pipeline == "out-of-order":
        _show_that_order_does_not_matter(console, board, chosen, seed)
        return
    table = make_table(
        f"Inner loops on {board.core.name}, cycles of a 4-lane multiply-accumulate "
        f"(emulated, timing model v{MODEL_VERSION})"
    )
    table.add_column("tile")
    for column in ("plain order", "found", "under QEMU", "stored"):
        table.add_column(column, justify="right")
    for mr, nr in chosen:
        plain = searchable(board, mr, nr)
        if plain is None:
            continue
        with OrderProgress(f"{mr}x{nr}", evals, plain.products_a_turn()) as progress:
            found = search(board, plain, evals, seed, progress.on_step)
        confirmation = confirm(board, found.kernel)
        _require_same(found, confirmation)
        cost = Cost(board, loop_lines(plain))
        outcome = store.keep(found, cost, folder, seed=seed, evaluations=evals)
        products = plain.products_a_turn()
        table.add_row(
            f"{mr}x{nr}",
            *(
                f"{float(cycles / products):.3f}"
                for cycles in (found.plain_cycles, found.cycles, confirmation.cycles)
            ),
            outcome,
        )
    console.print(table)


def _chosen(board: Board, tile: str | None) -> list[tuple[int, int]]:
    known = tiles(board.core)
    if tile is None:
        return list(known)
    numbers = re.fullmatch(r"(\d+)x(\d+)", tile)
    chosen = (int(numbers[1]), int(numbers[2])) if numbers else None
    if chosen not in known:
        names = ", ".join(f"{mr}x{nr}" for mr, nr in known)
        raise UserError(f"{board.core.name} has no tile {tile!r}", f"choose one of: {names}")
    return [chosen]


def _require_same(found: Found, confirmation: Confirmation) -> None:
    if confirmation.cycles != found.cycles or confirmation.error > _ERROR_BOUND:
        raise UserError(
            f"the order found for {found.kernel.mr}x{found.kernel.nr} takes {found.cycles} cycles "
            f"a turn in the model and {confirmation.cycles} under QEMU, with an error of "
            f"{confirmation.error:g}",
            "nothing was stored; please report this",
        )


def _show_that_order_does_not_matter(
    console: Console, board: Board, chosen: list[tuple[int, int]], seed: int
) -> None:
    console.print(
        f"{board.core.name} is out of order: it finds an order by itself, so none is searched or "
        f"stored. Cycles of a 4-lane multiply-accumulate over {_RANDOM_ORDERS} random legal orders "
        f"(emulated, timing model v{MODEL_VERSION}):",
        highlight=False,
    )
    for mr, nr in chosen:
        plain = searchable(board, mr, nr)
        if plain is not None:
            best, worst = random_orders(board, plain, _RANDOM_ORDERS, seed)
            low, high = (float(each / plain.products_a_turn()) for each in (best, worst))
            console.print(f"  {mr}x{nr}: {low:.3f} to {high:.3f}", highlight=False)
