"""Why a trial has no time."""

from __future__ import annotations

_MAX_TEXT = 500


class TrialError(Exception):
    """A candidate that failed; becomes the `error` of its record.

    Args:
        kind: "build", "build timeout", "run", "run timeout", "over budget", "lost connection",
            "lowered clock" or "wrong answer".
        text: what happened; the end of a long text is kept, where compilers and TVM put the cause.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text.strip()[-_MAX_TEXT:]
