"""What is wrong with a file or a node, before it is known which."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tuner.errors import UserError, last_line


class Unusable(Exception):
    """Becomes a `UserError` where the name of the file or node is known.

    Args:
        message: what is wrong, without the name.
        fix: what to do about it; empty: whatever one does about such files.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@contextmanager
def naming(source: str, node: str, op: str) -> Iterator[None]:
    """Turn what goes wrong with a node of the graph in `source` into a `UserError` about it."""
    where = f"{source}: node {node} ({op})"
    fix = "check that node where the graph comes from"
    try:
        yield
    except Unusable as error:
        raise UserError(f"{where}: {error.message}", error.fix or fix) from None
    except Exception as error:  # of many types, TVM's and Python's
        raise UserError(f"{where}: TVM refuses it: {last_line(error)}", fix) from error
