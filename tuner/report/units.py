"""Numbers as people read them."""

from __future__ import annotations


def format_time(seconds: float) -> str:
    """Format a duration in milliseconds: three digits that matter."""
    milliseconds = seconds * 1e3
    size = abs(milliseconds)
    decimals = 1 if size >= 100 else 2 if size >= 10 else 3
    return f"{milliseconds:.{decimals}f} ms"


def format_duration(seconds: float) -> str:
    """Format how long people wait: `40 s`, `15 min`, `1 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def format_cycles(cycles: int | None) -> str:
    """Format a cycle count with thousands separators, or a dash where the clock is not known."""
    return "-" if cycles is None else f"{cycles:,}"
