"""Building blocks of the HTML report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def section(title: str, figure: str, caption: str = "", rest: str = "") -> str:
    """Return a section: its figure with the caption, then the rest."""
    if caption:
        figure = f"<figure>{figure}<figcaption>{caption}</figcaption></figure>"
    return f"<section><h2>{title}</h2>{figure}{rest}</section>"


def bar(share: float, style: str) -> str:
    """Return a bar for the cell of a table, `share` of it long."""
    return f'<span class="bar"><i class="{style}" style="width:{share:.1%}"></i></span>'


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    text: Sequence[int] = (),
    wide: Sequence[int] = (),
) -> str:
    """Return a table of cells that are HTML already; columns in `text` start at the left."""

    def style(place: int) -> str:
        names = [name for name, places in (("text", text), ("wide", wide)) if place in places]
        return f' class="{" ".join(names)}"' if names else ""

    head_cells = "".join(f"<th{style(n)}>{escape(name)}</th>" for n, name in enumerate(columns))
    body = "".join(
        "<tr>" + "".join(f"<td{style(n)}>{cell}</td>" for n, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head_cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
