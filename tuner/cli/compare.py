"""`python -m tuner compare`: which of two logs found faster configs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tuner.cli.options import require_log
from tuner.report import results
from tuner.report.comparison import compare, print_comparison
from tuner.report.tables import make_console


@click.command("compare")
@click.argument("log_a", type=click.Path(path_type=Path))
@click.argument("log_b", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def compare_verb(log_a: Path, log_b: Path, as_json: bool) -> None:
    """Say which of two logs is better, for each convolution and by how much.

    Of a log about several networks or boards, the last ones count.
    """
    for log in (log_a, log_b):
        require_log(log)
    comparison = compare(results.read(log_a)[0], results.read(log_b)[0])
    if as_json:
        print(json.dumps(comparison.to_json()))
    else:
        print_comparison(make_console(), comparison, str(log_a), str(log_b))
