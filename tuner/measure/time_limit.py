"""Waiting for a call that knows no time limit of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TypeVar

_Result = TypeVar("_Result")


class TookTooLong(Exception):
    """A call did not return in time."""


def within(limit_s: float, call: Callable[[], _Result]) -> _Result:
    """Return what `call` returns, or raise what it raises, unless it takes too long.

    It cannot be stopped then: its thread stays behind, and ends with the process.

    Raises:
        TookTooLong: it has not returned after `limit_s`.
    """
    outcome: Future[_Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return outcome.result(limit_s)
    except FutureTimeout:
        if outcome.done():  # the call itself ran into a time limit of its own
            raise
        raise TookTooLong from None
