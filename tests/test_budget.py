"""Trials go where the time is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner import budget

_TASKS = st.lists(
    st.tuples(st.floats(min_value=0, max_value=10), st.integers(min_value=0, max_value=50)),
    min_size=1,
    max_size=20,
)


@given(st.integers(min_value=0, max_value=300), _TASKS)
def test_the_budget_is_spent_but_for_what_no_task_can_take(trials, tasks):
    weights, capacities = zip(*tasks, strict=True)
    shares = budget.share(trials, weights, capacities)
    assert all(0 <= share <= room for share, room in zip(shares, capacities, strict=True))
    assert sum(shares) == min(trials, sum(capacities))


def test_shares_follow_the_weights():
    assert budget.share(100, [3.0, 1.0], [1000, 1000]) == [75, 25]


def test_a_light_task_gets_its_minimum():
    shares = budget.share(50, [1.0, 1e-6], [1000, 1000])
    assert shares[1] == 3


def test_what_a_small_space_leaves_goes_to_the_others():
    assert budget.share(40, [1.0, 1.0], [5, 1000]) == [5, 35]


@pytest.mark.parametrize("trials", [0, 1, 2])
def test_fewer_trials_than_tasks(trials):
    assert sum(budget.share(trials, [1.0, 1.0, 1.0], [9, 9, 9])) == trials
