"""`python -m tuner report`: a log as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.options import require_log
from tuner.errors import UserError
from tuner.report import page, results


@click.command("report")
@click.argument("log", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: LOG with the ending .html]",
)
def report_verb(log: Path, output: Path | None) -> None:
    """Write what LOG knows as one HTML page, which opens without a network.

    Layers before and after, roofline, trials, where the time goes end to end, errors.
    """
    require_log(log)
    path = output or log.with_suffix(".html")
    text = page.render(log.name, results.read(log))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}", "choose another -o"
        ) from error
    click.echo(f"{path}: open it in a browser")
