"""`python -m tuner NETWORK`: the default verb."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from tuner import network_run, networks, search, tasks
from tuner.cli.open_boards import open_boards
from tuner.cli.options import (
    address_options,
    names_core,
    require_threads,
    require_whole_address,
    resolve_board,
    target_option,
)
from tuner.errors import UserError
from tuner.measure import Measurer, describe
from tuner.records import Log
from tuner.report.progress import Progress
from tuner.report.summary import summarize
from tuner.report.tables import make_console, print_layers, print_network, print_plan
from tuner.tune import Options, TaskSearch, best_configs, tune

_DEFAULT_TRIALS = 192
_LOG_FOLDER = Path("tuner-logs")


@dataclass(frozen=True)
class _Arguments:
    """The command line of `tune`."""

    network: str
    target: str
    host: str | None
    port: int | None
    trials: int
    seed: int
    strategy: str
    threads: int | None
    log: Path | None
    json: bool
    quiet: bool


@click.command("tune")
@click.argument("network")
@target_option
@address_options
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=_DEFAULT_TRIALS,
    show_default=True,
    help="Configs to measure, for the whole network.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--strategy",
    type=click.Choice(search.names()),
    default="xgb",
    show_default=True,
    help="How to choose what to measure.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Threads of the emulated board.  [default: one a core]",
)
@click.option(
    "--log",
    type=click.Path(path_type=Path),
    help="File of the results; an existing one is continued."
    "  [default: tuner-logs/NETWORK.BOARD.jsonl]",
)
@click.option("--json", is_flag=True, help="Print one JSON object at the end instead of tables.")
@click.option("--quiet", is_flag=True, help="Show the final table of the network only.")
def tune_verb(**options) -> None:
    """Find the fastest schedules for NETWORK's convolutions and measure the whole network."""
    arguments = _Arguments(**options)
    try:
        _tune(arguments)
    except KeyboardInterrupt:
        command = shlex.join(["python", "-m", "tuner", *sys.argv[1:]])
        click.echo(
            f"\nInterrupted. What was measured is kept; continue with:\n  {command}", err=True
        )
        raise


def _tune(arguments: _Arguments) -> None:
    require_whole_address(arguments.host, arguments.port)
    if arguments.host is not None and arguments.threads is not None:
        raise UserError(
            "--threads is for an emulated board that starts here",
            "leave it out, and set TVM_NUM_THREADS where the board's server starts",
        )
    board = resolve_board(arguments.target)
    require_threads(board, arguments.threads)
    network = networks.get(arguments.network)
    searches = [TaskSearch(task, board.core) for task in tasks.extract(network.module)]
    path = arguments.log or _LOG_FOLDER / f"{network.name}.{board.name}.jsonl"
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    # Tables would spoil the one JSON object on standard output.
    console = make_console(stderr=arguments.json)
    workers = os.cpu_count() or 1
    options = Options(network.name, arguments.trials, arguments.seed, arguments.strategy)
    address = (arguments.host, arguments.port, arguments.threads)
    with Log(path) as log, open_boards(board, *address, workers) as endpoints:
        info = describe(endpoints[0], board, names_core(arguments.target))
        if not arguments.quiet:
            print_plan(console, f"{network.title} on {info.name} {info.label}", searches)
            console.print(
                f"{options.trials} trials, strategy {options.strategy}, seed {options.seed}, "
                f"{workers} at a time; log {path} knows {len(log)} results",
                highlight=False,
            )
        progress = Progress(options.trials, not arguments.quiet, sys.stderr.isatty())
        with progress, Measurer(board.core.name, endpoints, workers) as measurer:
            tune(searches, options, info, log, measurer, progress)
        if not arguments.quiet:
            console.print(
                "Measuring the whole network three ways (TVM's default takes longest) ..."
            )
        best = best_configs(searches)
        runs = network_run.measure_three_ways(network, board, info, endpoints, best)
    if not arguments.quiet:
        print_layers(console, searches, board.core, info)
    print_network(console, network.title, runs, searches, info)
    if arguments.json:
        summary = summarize(
            network.name, arguments.target, info, options.seed, options.trials, runs
        )
        print(json.dumps(summary))
