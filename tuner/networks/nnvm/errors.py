"""What is wrong with a file or a node, before it is known which."""

from __future__ import annotations


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
