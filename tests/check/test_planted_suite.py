"""Planted mistakes are found and named, right gradients pass; the figures are those that are kept and published."""

import importlib.util
import json
from collections import Counter
from functools import cache

import pytest
from over import over
from planted.gradients.cases import RIGHT_CASES, UNKNOWN_CASES, WRONG_CASES
from planted.gradients.suite import REFERENCE, named

from backprop.check import KINDS

BY_ID = {case.id: case for case in (*WRONG_CASES, *RIGHT_CASES, *UNKNOWN_CASES)}


KINDS_PLANTED = sorted({case.kinds[0] for case in WRONG_CASES + UNKNOWN_CASES})
WAYS = sorted({case.id.partition(" [")[0] for case in RIGHT_CASES})


@cache
def check(name):
    """The check of a case, made once."""
    return BY_ID[name].check()


def test_no_two_cases_are_the_same():
    assert len(BY_ID) == len(WRONG_CASES) + len(RIGHT_CASES) + len(UNKNOWN_CASES)


@pytest.mark.parametrize("kind", KINDS_PLANTED)
@over(case=lambda kind: [case for case in WRONG_CASES + UNKNOWN_CASES if case.kinds[0] == kind])
def test_a_planted_mistake_is_found(kind, case):
    found = check(case.id)
    assert found.verdict == "wrong"
    assert found.findings
    for finding in found.findings:
        assert finding.kind in KINDS
        assert finding.evidence.endswith(".")
        assert finding.fix or finding.kind == "unknown"


@pytest.mark.parametrize("way", WAYS)
@over(case=lambda way: [case for case in RIGHT_CASES if case.id.partition(" [")[0] == way])
def test_a_right_gradient_passes(way, case):
    found = check(case.id)
    assert (found.verdict, found.findings) == ("right", ())
    assert all(tensor.error <= tensor.tolerance for tensor in found.tensors)


@over(case=UNKNOWN_CASES)
def test_what_has_no_signature_is_given_no_name(case):
    assert named(case, check(case.id))


def test_at_least_95_percent_of_the_kinds_are_named_rightly_and_nothing_else_is():
    share = sum(named(case, check(case.id)) for case in WRONG_CASES) / len(WRONG_CASES)
    assert share >= 0.95


def test_a_name_that_is_not_right_is_none_at_all():
    for case in WRONG_CASES:
        extra = {finding.kind for finding in check(case.id).findings} - set(case.kinds)
        assert extra <= {"unknown"}, case.id


def test_the_suite_is_as_large_and_as_mixed_as_it_says():
    assert len(WRONG_CASES) >= 120
    assert len(RIGHT_CASES) >= 60
    planted = Counter(kind for case in WRONG_CASES for kind in case.kinds)
    of_networks = {kind.name for kind in KINDS.values() if not kind.functions_only}
    assert set(planted) == of_networks - {"unknown"}
    assert sum(len(case.kinds) == 2 for case in WRONG_CASES) >= 10


def test_the_figures_that_are_kept_are_those_of_the_suite():
    kept = json.loads(REFERENCE.read_text(encoding="utf-8"))
    assert kept["planted"] == kept["found"] == len(WRONG_CASES)
    assert kept["named"] == sum(named(case, check(case.id)) for case in WRONG_CASES)
    assert kept["without_signature"] == kept["without_signature_found"] == len(UNKNOWN_CASES)
    if all(importlib.util.find_spec(name) for name in ("torch", "jax")):
        assert kept["right"] == kept["passed"] == len(RIGHT_CASES)
