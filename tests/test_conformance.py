"""Every schedule keeps every promise on every core: the suite that `schedules.testing` ships."""

from __future__ import annotations

import pytest

from schedules import hardware
from schedules.testing import SHAPES, ScheduleConformance
from tuner.measure import BoardRunner


class TestOnTheHost(ScheduleConformance):
    samples = 0
    examples = 4


@pytest.mark.board
class TestOnTheBoards(ScheduleConformance):
    """A sample: the assembly of each core, in the loop nests of each schedule."""

    shapes = SHAPES[1:13:4]
    samples = 0
    examples = 2

    @pytest.fixture
    def runner(self, running_board, core_name):
        return BoardRunner(running_board(hardware.resolve(core_name).name))
