"""A slice of the campaign of random functions: each family at two points, each with a right and wrong claims.

The quick tier has every second family, at one point.

The whole campaign is a command of its own: python tests/planted/functions/campaign.py
"""

from itertools import count, islice, product

import pytest
from over import part
from planted.functions.campaign import broken_bounds, judged, outcome_of, self_check
from planted.functions.claims import SURROUNDINGS, case_of, family_of
from planted.functions.families import FAMILIES

pytestmark = pytest.mark.usefixtures("without_lines")

NAMES = (*(family.name for family in FAMILIES), *SURROUNDINGS)
FEW = 5  # parameters: larger points take seconds


def small_cases(name):
    """The seeds of a family, those with few parameters."""
    for seed in count():
        family, surrounding, _ = family_of(seed)
        if name == (surrounding or family.name) and case_of(seed).truth.size <= FEW:
            yield seed


@pytest.mark.parametrize(("name", "point"), part(product(NAMES, (0, 1)), 7))
def test_no_wrong_claim_is_called_right_and_no_right_one_wrong(name, point):
    rows = judged(next(islice(small_cases(name), point, None)))
    failed = [row for row in rows if row["outcome"] not in ("as it should be", "undecided")]
    assert not failed, "\n".join(
        f"--case {r['seed']}, {r['claim']}: {r['outcome']}, {r['words']}" for r in failed
    )


def test_the_right_gradients_of_the_campaign_are_right():
    assert max(self_check(range(200)).values()) < 1e-5


def test_a_case_is_drawn_from_its_seed_alone():
    one, other = case_of(17), case_of(17)
    assert one.words == other.words
    assert [claim.name for claim in one.claims] == [claim.name for claim in other.claims]


def test_every_case_has_one_right_claim_and_nearly_every_one_two_wrong_ones():
    cases = [case_of(seed) for seed in range(100)]
    assert all([claim.right for claim in case.claims].count(True) == 1 for case in cases)
    assert sum(len(case.claims) == 3 for case in cases) >= 90


@pytest.mark.parametrize(
    ("right", "verdict", "outcome"),
    [
        (True, "right", "as it should be"),
        (True, "wrong", "right called wrong"),
        (True, "undecided", "undecided"),
        (False, "wrong", "as it should be"),
        (False, "right", "wrong called right"),
        (False, "undecided", "undecided"),
    ],
)
def test_a_verdict_is_held_against_the_truth(right, verdict, outcome):
    assert outcome_of(right, verdict) == outcome


def rows_of(*verdicts, right=True, seconds=1.0):
    return [
        {
            "seed": seed,
            "claim": "a claim",
            "right": right,
            "visible": True,
            "verdict": verdict,
            "outcome": outcome_of(right, verdict),
            "calls": 100,
            "seconds": seconds,
        }
        for seed, verdict in enumerate(verdicts)
    ]


def test_the_bounds_are_those_that_the_campaign_promises():
    assert broken_bounds(rows_of(*98 * ["right"], "undecided", "undecided"), None) == []
    assert "undecided" in broken_bounds(rows_of(*97 * ["right"], *3 * ["undecided"]), None)[0]
    assert "wrong called right: 1" in broken_bounds(rows_of("right", right=False), None)[0]
    assert "right called wrong: 1" in broken_bounds(rows_of("wrong"), None)[0]
    slower = broken_bounds(rows_of("right", seconds=1.2), rows_of("right"))
    assert len(slower) == 1
    assert slower[0].startswith("seconds: 1.20 times")
