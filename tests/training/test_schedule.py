"""A schedule begins at the whole rate and the falling ones end at nothing."""

import itertools

import pytest

from backprop.errors import UnknownNameError
from backprop.training import SCHEDULES, find_schedule


@pytest.mark.parametrize("name", SCHEDULES)
def test_it_begins_with_the_whole_rate_and_never_rises(name):
    values = [find_schedule(name)(k / 100) for k in range(101)]
    assert values[0] == 1
    assert all(a >= b for a, b in itertools.pairwise(values))
    assert values[-1] == (1 if name == "constant" else pytest.approx(0, abs=1e-15))


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        find_schedule("cosin")
