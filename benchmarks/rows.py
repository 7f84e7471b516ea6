"""Rows of measured wall times for `--json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any


def rounded(row: Any) -> dict[str, Any]:
    """The fields of the dataclass `row`, floats to three decimals."""
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(row).items()}
