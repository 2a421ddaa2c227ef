"""Planted mistakes are found and named, right gradients pass; the figures are those that are kept and published."""

import importlib.util
import json
from collections import Counter

import pytest
from over import over, part
from planted.gradients.cases import RIGHT_CASES, UNKNOWN_CASES, WRONG_CASES
from planted.gradients.suite import REFERENCE, named

from backprop.check import KINDS

pytestmark = pytest.mark.usefixtures("without_lines")

BY_ID = {case.id: case for case in (*WRONG_CASES, *RIGHT_CASES, *UNKNOWN_CASES)}
KEPT = json.loads(REFERENCE.read_text(encoding="utf-8"))

KINDS_PLANTED = sorted({case.kinds[0] for case in WRONG_CASES + UNKNOWN_CASES})
WAYS = sorted({case.id.partition(" [")[0] for case in RIGHT_CASES})


def test_no_two_cases_are_the_same():
    assert len(BY_ID) == len(WRONG_CASES) + len(RIGHT_CASES) + len(UNKNOWN_CASES)


def planted(kind, first):
    """One in three of the cases of a kind, the first among them, or the others."""
    cases = [case for case in WRONG_CASES + UNKNOWN_CASES if case.kinds[0] == kind]
    return [case for k, case in enumerate(cases) if (k % 3 == 0) == first]


@pytest.mark.parametrize("first", part([True, False], 2), ids={True: "first", False: "others"}.get)
@pytest.mark.parametrize("kind", KINDS_PLANTED)
@over(case=planted)
def test_a_planted_mistake_is_found_and_has_its_name_or_none(kind, first, case):
    found = case.check()
    assert found.verdict == "wrong"
    assert named(case, found) == (case.id not in KEPT["not_named"])
    assert {finding.kind for finding in found.findings} <= {*case.kinds, "unknown"}
    assert found.findings
    for finding in found.findings:
        assert finding.kind in KINDS
        assert finding.evidence.endswith(".")
        assert finding.fix or finding.kind == "unknown"


@pytest.mark.parametrize("way", WAYS)
@over(case=lambda way: [case for case in RIGHT_CASES if case.id.partition(" [")[0] == way])
def test_a_right_gradient_passes(way, case):
    found = case.check()
    assert (found.verdict, found.findings) == ("right", ())
    assert all(tensor.error <= tensor.tolerance for tensor in found.tensors)


def test_the_suite_is_as_large_and_as_mixed_as_it_says():
    assert len(WRONG_CASES) >= 120
    assert len(RIGHT_CASES) >= 60
    planted = Counter(kind for case in WRONG_CASES for kind in case.kinds)
    of_networks = {kind.name for kind in KINDS.values() if not kind.functions_only}
    assert set(planted) == of_networks - {"unknown"}
    assert sum(len(case.kinds) == 2 for case in WRONG_CASES) >= 10


def test_the_figures_that_are_kept_are_those_of_the_suite_and_at_least_95_percent_have_their_name():
    assert KEPT["planted"] == KEPT["found"] == len(WRONG_CASES)
    assert KEPT["named"] == len(WRONG_CASES) - len(KEPT["not_named"]) >= 0.95 * len(WRONG_CASES)
    assert set(KEPT["not_named"]) <= {case.id for case in WRONG_CASES}
    assert KEPT["without_signature"] == KEPT["without_signature_found"] == len(UNKNOWN_CASES)
    if all(importlib.util.find_spec(name) for name in ("torch", "jax")):
        assert KEPT["right"] == KEPT["passed"] == len(RIGHT_CASES)
