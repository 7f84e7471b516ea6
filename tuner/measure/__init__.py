"""Measuring: build in worker processes, run over RPC, check every result."""

from tuner.measure.boards import BoardInfo, Endpoint, RemoteBoard, describe, session
from tuner.measure.pipeline import Measurer, Outcome, Trial

__all__ = [
    "BoardInfo",
    "Endpoint",
    "Measurer",
    "Outcome",
    "RemoteBoard",
    "Trial",
    "describe",
    "session",
]
