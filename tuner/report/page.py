"""The report of a log as one HTML page that needs nothing else: no network, no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from tuner.report import sections
from tuner.report.results import Result

_STYLE = Path(__file__).with_name("page.css")


def render(log_name: str, results: Sequence[Result]) -> str:
    """Return the page about `results`, the most important first.

    Args:
        log_name: what the page says it was made from.
    """
    title = f"{results[0].title} on {results[0].board_name}"
    bodies = "<hr>".join(_body(log_name, result) for result in results)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Nothing may be fetched, whatever a log says.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE.read_text(encoding='utf-8')}</style>"
        f"</head><body>{bodies}</body></html>\n"
    )


def _body(log_name: str, result: Result) -> str:
    parts: Iterable[str] = (
        sections.head(log_name, result),
        sections.builds(result),
        sections.shares(result),
        sections.layers(result),
        sections.roofline(result),
        sections.search(result),
        sections.errors(result),
    )
    return "\n".join(part for part in parts if part)
