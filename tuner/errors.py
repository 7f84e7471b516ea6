"""The one exception for a mistake that is the user's to mend."""

from __future__ import annotations


class UserError(Exception):
    """Bad input or a missing tool: printed as one line with the cause and the fix, exit code 2.

    Args:
        message: what is wrong, in plain words, without a trailing full stop.
        fix: what to do about it (a command to type where there is one).
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}; {self.fix}" if self.fix else self.message


def last_line(error: Exception) -> str:
    """Return what a library's error says in the end, for one line about it; never empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
