"""Measuring: build in worker processes, run over RPC, check every result."""

from tuner.measure.board_runner import BoardRunner
from tuner.measure.boards import (
    BoardInfo,
    Endpoint,
    RemoteBoard,
    describe,
    emulated_info,
    session,
)
from tuner.measure.pipeline import Measurer, Outcome, Trial
from tuner.measure.tracker import TrackedBoard

__all__ = [
    "BoardInfo",
    "BoardRunner",
    "Endpoint",
    "Measurer",
    "Outcome",
    "RemoteBoard",
    "TrackedBoard",
    "Trial",
    "describe",
    "emulated_info",
    "session",
]
