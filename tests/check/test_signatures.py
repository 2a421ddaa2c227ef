"""A mistake is named where the error has its signature, and nothing is named where it has none."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop.check.kinds import KINDS
from backprop.check.patterns import Suspect, difference, entries
from backprop.check.ratios import slice_factors
from backprop.check.rearranged import sum_not_zero
from backprop.check.signatures import signatures, unknown

RNG = np.random.default_rng(0)
TRUE = RNG.standard_normal((6, 6))
PARAMETER = RNG.standard_normal((6, 6))
TOLERANCE = 1e-13 + 1e-10 * np.abs(TRUE)


def found(got, expected=TRUE, parameter=PARAMETER, tolerance=TOLERANCE, batch_size=None, others=None):
    """The findings for `got`, where `expected` is right to `tolerance`."""
    known = entries(expected, tolerance)
    slack = float(np.max(known.tolerance[known.usable], initial=0))
    rest = {name: entries(values, slack) for name, values in (others or {}).items() if name != "W"}
    rest = {name: one for name, one in rest.items() if one.values.size == np.size(got)}
    got = np.asarray(got)
    suspect = Suspect("W", got, known, parameter, batch_size, rest, False, got.dtype)
    return signatures(suspect) or [unknown(suspect)]


def kinds(*arguments, **more):
    return [finding.kind for finding in found(*arguments, **more)]


@pytest.mark.parametrize(
    ("got", "batch_size", "expected"),
    [
        (0 * TRUE, None, ["zero-gradient"]),
        (-TRUE, None, ["sign"]),
        (2 * TRUE, 32, ["constant-factor"]),
        (32 * TRUE, 32, ["sum-instead-of-mean"]),
        (TRUE / 32, 32, ["mean-instead-of-sum"]),
        (-32 * TRUE, 32, ["sum-instead-of-mean", "sign"]),
        (32 * TRUE, None, ["constant-factor"]),
        (TRUE.T.copy(), None, ["transposed"]),
        (3 * TRUE.T, None, ["transposed", "constant-factor"]),
        (TRUE + 1e-4 * PARAMETER, None, ["weight-decay-extra"]),
        (TRUE - 0.1 * PARAMETER, None, ["weight-decay-missing"]),
        (TRUE.astype(np.float32), None, ["lower-precision"]),
        (TRUE.astype(np.float16).astype(np.float64), None, ["lower-precision"]),
        (np.trunc(3 * TRUE).astype(int), None, ["unknown"]),
        (np.trunc(TRUE).astype(int), None, ["wrong-dtype"]),
        (TRUE * PARAMETER, None, ["log-parameter"]),
        (TRUE[::-1], None, ["reordered"]),
    ],
)
def test_each_signature_is_recognised(got, batch_size, expected):
    assert kinds(got, batch_size=batch_size) == expected


def test_the_factor_and_the_decay_are_told():
    assert "got = 2 · expected" in found(2 * TRUE)[0].evidence
    assert "got = 1/3 · expected" in found(TRUE / 3)[0].evidence
    assert "batch of 32" in found(32 * TRUE)[0].evidence
    assert "λ = 0.0001" in found(TRUE + 1e-4 * PARAMETER)[0].evidence


def test_a_factor_of_which_the_truth_is_uncertain_is_only_possible():
    (finding,) = found(2 * TRUE, tolerance=1e-2 * np.abs(TRUE))
    assert (finding.kind, finding.confidence) == ("constant-factor", "possible")


def test_an_error_of_the_size_of_a_narrower_rounding_alone_is_not_called_that():
    noise = 1 + 6e-8 * RNG.uniform(-1, 1, TRUE.shape)
    (finding,) = found(TRUE * noise)
    assert (finding.kind, finding.confidence) == ("unknown", "possible")
    assert "say how exact the gradient need be: rtol=1e-07" in finding.fix
    (finding,) = found(TRUE * (1 + 1e6 * (noise - 1)))
    assert (finding.kind, finding.fix) == ("unknown", "")


def test_rounding_dust_is_zero_and_no_factor():
    (finding,) = found(1e-17 * TRUE[::-1])
    assert finding.kind == "zero-gradient"
    assert "to rounding" in finding.evidence


def test_a_usual_factor_is_named_though_a_solver_left_its_error():
    for k, kind in ((-1, "sign"), (2, "constant-factor"), (0.01, "constant-factor")):
        (finding,) = found(k * TRUE * (1 + 7e-8 * RNG.uniform(-1, 1, TRUE.shape)))
        assert (finding.kind, finding.confidence) == (kind, "likely")


@pytest.mark.parametrize(("k", "kind"), [(-1, "sign"), (0.5, "constant-factor"), (1.07, "unknown")])
def test_a_sign_is_named_though_the_rounding_of_float16_is_allowed_for_many_times(k, kind):
    got = (k * TRUE).astype(np.float16)
    assert [one.kind for one in found(got, tolerance=0.1 * np.abs(TRUE))] == [kind]


@pytest.mark.parametrize(
    ("got", "expected", "parameter", "kind"),
    [
        ([6.0, 6.0], [3.0, 3.0], [1.0, 2.0], "constant-factor"),  # it is the sum over both entries as well
        ([2.002, 1.0, 3.0], [2.0, 1.0, 3.0], [1e-3, 1e4, 1e5], "unknown"),  # one entry shows no ε
        ([10.0], [1.0], [0.1], "constant-factor"),  # it is 1 / θ as well
        ([0.5], [6.0], [0.3], "constant-factor"),  # a single number, and exactly a twelfth
        ([1.0, 1.0], [0.999, 1.002], [0.5, 0.7], "unknown"),  # 1 is a number of every format
        ([7.0, 4.5], [7.0, 4.5], [1.0, 2.0], "unknown"),  # wrong at kinks alone, and numbers of float32
    ],
)
def test_a_coincidence_is_not_named(got, expected, parameter, kind):
    arrays = (np.array(each) for each in (got, expected, parameter))
    assert kinds(*arrays, tolerance=1e-9 * np.abs(expected)) == [kind]


def test_a_small_error_with_a_pattern_is_no_rounding():
    assert kinds(TRUE + 1e-7 * np.abs(TRUE)) == ["unknown"]


def test_the_gradient_of_another_tensor_is_recognised():
    other = RNG.standard_normal((6, 6))
    assert kinds(other, others={"W": TRUE, "V": other}) == ["swapped-tensors"]


def test_a_sum_that_should_be_zero_is_told_and_no_other():
    centred = TRUE - TRUE.mean(1, keepdims=True)
    assert "sums to 0 over axis 1" in sum_not_zero("W", centred, TRUE, TOLERANCE)
    assert not sum_not_zero("W", centred, centred, TOLERANCE)
    assert not sum_not_zero("W", TRUE, centred, TOLERANCE)
    assert "over axis 0" in sum_not_zero("W", centred[None], TRUE[None], TOLERANCE[None], 2)


def test_a_symmetric_gradient_is_never_transposed():
    symmetric = TRUE + TRUE.T
    assert "transposed" not in kinds(2 * symmetric, symmetric, tolerance=1e-10)


def test_a_decay_that_is_a_factor_as_well_is_only_likely():
    assert found(2 * TRUE, parameter=TRUE)[0].kind == "constant-factor"
    (finding,) = found(np.array([2.0, -1.0]), np.array([1.0, 3.0]), np.array([1.0, -4.0]), tolerance=1e-9)
    assert (finding.kind, finding.confidence) == ("weight-decay-extra", "likely")


def test_of_a_single_number_only_a_telling_factor_is_named():
    one = np.array(3.0)
    assert [f.kind for f in found(np.array(-3.0), one, None, tolerance=1e-12)] == ["sign"]
    assert [f.kind for f in found(np.array(6.0), one, None, tolerance=1e-12)] == ["constant-factor"]
    assert [f.kind for f in found(np.array(2.1), one, None, tolerance=1e-12)] == ["unknown"]


def test_entries_of_which_nothing_can_be_said_are_left_out():
    tolerance = np.where(np.eye(6, dtype=bool), np.inf, TOLERANCE)
    got = np.where(np.eye(6, dtype=bool), 99.0, -TRUE)
    assert kinds(got, tolerance=tolerance) == ["sign"]
    assert kinds(got, tolerance=np.full((6, 6), np.inf)) == ["unknown"]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (np.s_[1, 2], r"1 of 36 entries is wrong: \[1, 2\]"),
        (np.s_[2], "all in row 2"),
        (np.s_[:, 4], "all in column 4"),
        (np.s_[1:4, 2:5], r"the block \[1:4, 2:5\]"),
        (np.s_[:], "Every entry is wrong"),
    ],
)
def test_of_an_unknown_mistake_it_is_said_where_it_sits(where, said):
    got = TRUE.copy()
    got[where] = got[where] ** 3 + 7
    (finding,) = found(got)
    assert finding.kind == "unknown"
    assert re.search(said, finding.evidence), finding.evidence


def test_the_factor_of_a_row_is_that_of_its_surest_entries():
    """Three entries of each row are known to rounding, and three to a hundredth."""
    tolerance = np.broadcast_to(np.repeat([1e-12, 1e-2], 3), (2, 6))
    expected = 2 + np.abs(TRUE[:2])
    got = expected * [[1], [3]] + tolerance / 2
    np.testing.assert_allclose(slice_factors(got, expected, tolerance, 0), [1, 3], rtol=1e-11)


@pytest.mark.parametrize(
    ("got", "expected", "said"),
    [
        ([0, 0], [1, 2], "They are 0."),
        ([0], [1], "It is 0."),
        ([3, 1], [1, 0], "They differ by up to 2."),
        ([-1, -2], [1, 2], "Their signs are reversed."),
        ([-3], [3], "Its sign is reversed."),
        ([2, 4], [1, 2], "They are 2 times what they should be."),
        ([1], [2], "It is 0.5 times what it should be."),
        ([1.0001, 1.9999], [1, 2], "got / expected - 1 lies between -5.0e-05 and 1.0e-04."),
        ([1 + 1e-7, 2 + 4e-7], [1, 2], "got / expected - 1 lies between 1.0e-07 and 2.0e-07."),
        ([2, 6], [1, 2], "got / expected lies between 2 and 3."),
    ],
)
def test_how_wrong_entries_differ_is_said_in_words(got, expected, said):
    assert difference(np.array(got, float), np.array(expected, float)) == said


def test_the_right_values_in_another_order_are_recognised_as_such():
    assert "reversed along axis 0" in found(TRUE[::-1])[0].evidence
    tall = RNG.standard_normal((2, 3))
    (finding,) = found(tall.ravel(order="F").reshape(2, 3), tall, tall, 1e-10)
    assert "column order" in finding.evidence


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_noise_has_no_signature(seed):
    noise = np.random.default_rng(seed).standard_normal((5, 4))
    expected = np.random.default_rng(seed + 1).standard_normal((5, 4))
    parameter = np.random.default_rng(seed + 2).standard_normal((5, 4))
    findings = found(noise, expected, parameter, 1e-10, batch_size=8)
    assert [finding.kind for finding in findings] == ["unknown"]


def test_every_kind_that_is_named_is_in_the_table():
    assert {"swapped-tensors", "zero-gradient", "transposed", "lower-precision"} <= set(KINDS)
