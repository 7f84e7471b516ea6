"""Drawing in SVG: a few shapes, whose colours the page's style sheet decides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape


class Drawing:
    """Shapes in pixels, the origin in the upper left corner.

    Args:
        title: what it shows, for those who cannot see it.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self._head = (
            f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
            f'role="img" aria-label="{escape(title)}">'
        )
        self._shapes: list[str] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a line."""
        self._shapes.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'
        )

    def path(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Draw a line through all points."""
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._shapes.append(f'<polyline points="{steps}" class="{style}"/>')

    def bar(self, x: float, y: float, width: float, height: float, style: str, tip: str) -> None:
        """Draw a filled rectangle; `tip` is shown while the mouse is over it."""
        self._shapes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" '
            f'rx="2" class="{style}"><title>{escape(tip)}</title></rect>'
        )

    def dot(self, x: float, y: float, radius: float, style: str, tip: str = "") -> None:
        """Draw a circle."""
        hint = f"<title>{escape(tip)}</title>" if tip else ""
        self._shapes.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{style}">{hint}</circle>'
        )

    def cross(self, x: float, y: float, style: str, tip: str) -> None:
        """Draw an x."""
        self._shapes.append(
            f'<path d="M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6" class="{style}">'
            f"<title>{escape(tip)}</title></path>"
        )

    def text(self, x: float, y: float, text: str, style: str = "", anchor: str = "start") -> None:
        """Write; `anchor` is start, middle or end."""
        self._shapes.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )

    def finish(self) -> str:
        """Return the drawing as text."""
        return "".join([self._head, *self._shapes, "</svg>"])


class LogScale:
    """Maps values from `low` to `high` to pixels from `start` to `end`, by their logarithm."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self._start + part * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Return 1, 2 and 5 times the powers of ten in the range."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        steps = (digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5))
        return [step for step in steps if self.low <= step <= self.high]
