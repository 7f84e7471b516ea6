"""`python -m tuner plan`: what tuning would do, without doing it."""

from __future__ import annotations

import json
import os

import click

from tuner import records
from tuner.cli.job import Job, Settings, job_options
from tuner.cli.options import names_core
from tuner.measure import BoardInfo, RemoteBoard, describe, emulated_info
from tuner.report.plan import print_plan
from tuner.report.tables import make_console


@click.command("plan")
@job_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def plan_verb(as_json: bool, **options) -> None:
    """Show what tuning NETWORK would do: layers, candidates, budget, time. Measures nothing."""
    settings = Settings(**options)
    job = Job(settings)
    known = records.read(job.log_path) if job.log_path.exists() else []
    plan = job.plan(_board_info(settings, job), known, os.cpu_count() or 1)
    if as_json:
        print(json.dumps(plan.to_json()))
    else:
        print_plan(make_console(), plan)


def _board_info(settings: Settings, job: Job) -> BoardInfo:
    """Ask a real board; what is emulated need not be started to be known."""
    board = job.board
    if settings.host is not None and settings.port is not None:
        endpoint = RemoteBoard(settings.host, settings.port)
        return describe(endpoint, board, names_core(settings.target))
    if job.tracked is not None:
        return describe(job.tracked, board, names_core(settings.target))
    return emulated_info(board, settings.threads)
