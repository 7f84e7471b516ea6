"""`python -m tuner NETWORK`: the default verb."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import click

from tuner import network_run
from tuner.board.launch import EmulatedBoard
from tuner.cli.job import Job, Settings, job_options
from tuner.cli.open_boards import open_boards
from tuner.cli.options import names_core
from tuner.errors import UserError
from tuner.measure import BoardInfo, Endpoint, Measurer, describe, farm, health, inject
from tuner.measure.farm_guard import SessionGuard
from tuner.records import Log
from tuner.report.plan import print_plan
from tuner.report.progress import Progress
from tuner.report.summary import summarize
from tuner.report.tables import make_console, print_layers, print_network
from tuner.tune import best_configs, tune

# Smaller gains of a layer by itself cost rasp3b-64 more in SqueezeNet than they brought.
_CLEAR_GAIN = 0.1


@click.command("tune")
@job_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option(
    "--inject",
    "faults",
    metavar="FAULT",
    multiple=True,
    help="Make the emulated board fail, such as clock=0.5@batch3, lost@batch2, wrong@trial5, "
    "slow@batch1, reboot@batch4 or faults=10%; may be repeated.",
)
@click.option("--no-default", is_flag=True, help="Leave out TVM's own build, which takes minutes.")
@click.option("--quiet", is_flag=True, help="Show the final table of the network only.")
def tune_verb(
    faults: tuple[str, ...], as_json: bool, no_default: bool, quiet: bool, **options
) -> None:
    """Find the fastest schedules for NETWORK's convolutions and measure the whole network."""
    settings = Settings(**options)
    try:
        _tune(settings, faults, as_json, not no_default, quiet)
    except KeyboardInterrupt:
        command = shlex.join(["python", "-m", "tuner", *sys.argv[1:]])
        click.echo(
            f"\nInterrupted. What was measured is kept; continue with:\n  {command}", err=True
        )
        raise


def _tune(
    settings: Settings, faults: Sequence[str], as_json: bool, with_default: bool, quiet: bool
) -> None:
    plan = inject.parse(faults, settings.seed)
    if faults and (settings.host or settings.tracker):
        raise UserError(
            "--inject is for an emulated board that starts here",
            "leave it out, or --host or --tracker",
        )
    job = Job(settings)
    board, searches, options = job.board, job.searches, job.options
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    # Tables would spoil the one JSON object on standard output.
    console = make_console(stderr=as_json)
    workers = os.cpu_count() or 1
    with Log(job.log_path) as log, _open_boards(settings, job, workers) as endpoints:
        _require_own_log(log, job)
        info = describe(endpoints[0], board, names_core(settings.target))
        log.append_run(job.run(info))
        if not quiet:
            print_plan(console, job.plan(info, log.trials, workers))
        progress = Progress(options.trials, options.time_s, not quiet, sys.stderr.isatty())
        measurer = _measurer(job, info, endpoints, workers, plan if faults else None)
        with progress, measurer:
            end = tune(searches, options, info, log, measurer, progress)
        if not quiet:
            ways = "three ways (TVM's default takes longest)" if with_default else "two ways"
            console.print(f"Searched enough: {end.value}.\nMeasuring the whole network {ways} ...")
        # Timed by itself a config may gain what it costs its neighbours: the network decides.
        best, clear = best_configs(searches), best_configs(searches, _CLEAR_GAIN)
        variants = [best] if clear == best else [best, clear]
        runs = network_run.measure_builds(
            job.network, board, info, endpoints, variants, with_default
        )
        log.append_run(job.run(info, runs))
    if not quiet:
        print_layers(console, searches, board.core, info)
    print_network(console, job.network.title, runs, searches, info)
    if as_json:
        trials = sum(search.trials for search in searches)
        summary = summarize(job.network.name, settings.target, info, options.seed, trials, runs)
        print(json.dumps(summary))


def _open_boards(
    settings: Settings, job: Job, workers: int
) -> AbstractContextManager[Sequence[Endpoint]]:
    if job.tracked is not None:
        return nullcontext(farm.boards(job.tracked, settings.boards))
    return open_boards(job.board, settings.host, settings.port, settings.threads, workers)


def _measurer(
    job: Job,
    info: BoardInfo,
    endpoints: Sequence[Endpoint],
    workers: int,
    faults: inject.Plan | None,
) -> Measurer:
    """Return what measures: with a guard of the clock where there is one, with `faults` if any."""
    board = job.board
    if faults is not None:
        assert isinstance(endpoints[0], EmulatedBoard)
        faulty = inject.FaultyBoard(endpoints[0])
        return inject.FaultyMeasurer(board.core.name, faulty, board, workers, faults)
    if job.tracked is not None:
        watching = None if info.emulated else SessionGuard(board, health.reader(board))
        return farm.FarmMeasurer(board.core.name, endpoints, workers, watching)
    guard = None if info.emulated else health.ClockGuard(endpoints, board)
    return Measurer(board.core.name, endpoints, workers, guard)


def _require_own_log(log: Log, job: Job) -> None:
    """Raise a `UserError` if `log` is of other networks only."""
    # Those of old logs may not say.
    known = {trial.network for trial in log.trials if trial.network}
    if known and job.network.name not in known:
        raise UserError(
            f"the log {log.path} is of {' and '.join(sorted(known))}, not of {job.network.name}",
            "name another file with --log, or leave it out",
        )
