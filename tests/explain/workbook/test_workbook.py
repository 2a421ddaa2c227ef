"""The cells are live: changed and recalculated in LibreOffice, every one is what the library computes."""

import functools

import numpy as np
import openpyxl
import pytest
from explain.explained import explained
from explain.workbook.recalculated import block, cells, editable, needs_soffice, opened, recalculate
from over import part
from tables import sentence

import backprop
from backprop import Network
from backprop.errors import OptionError, UnsupportedError
from backprop.explain import TooLargeError, example, explain
from backprop.explain.names import subscripted
from backprop.explain.workbook import workbook

STRATEGIES = ("full-jacobian", "short-form")
MSE = {"loss": "mean-squared-error"}
CASES = {
    "relu": {},
    "tanh": {"activation": "tanh"},
    "sigmoid": {"activation": "sigmoid"},
    "gelu": {"activation": "gelu"},
    "softmax": {"activation": "softmax"},
    "squares": {"activation": "gelu", **MSE},
    "squares-softmax": {"activation": "sigmoid", "output": "softmax", **MSE},
    "squares-tanh": {"activation": "relu", "output": "tanh", **MSE},
    "half-squares": {"activation": "silu", "output": "sigmoid", "loss": "half-squared-error"},
    "binary": {"activation": "softplus", "loss": "binary-cross-entropy"},
    "hinge": {"activation": "leaky-relu", "loss": "hinge"},
    "huber": {"activation": "silu", "loss": "huber"},
    "no-bias": {"bias": False},
    "deep": {"sizes": (2, 3, 3, 2), "activation": "tanh", "n": 3},
    "one-sample": {"n": 1},
    "one-layer": {"sizes": (3, 4)},
    "one-of-each": {"sizes": (1, 1, 2), "activation": "tanh", "n": 3},
    "example": {"seed": 10},
    "conv": {"network": "1x4x4 conv2x2 tanh pool2,stride=1 mean-pool2 2"},
    "strides": {"network": "2x3x3 conv2x2,stride=2,padding=1,groups=2 max-pool2 2", "n": 1},
    "layer-norm": {"network": "3 4 layer-norm relu 2"},
    "tokens": {"network": "4x2 patches2 tokenwise2 positions rms-norm layer-norm mean-tokens 2"},
}


@functools.cache
def before(case):
    """The explanation of a network."""
    return explained(*STRATEGIES, **{"seed": 4, **CASES[case]})


@functools.cache
def after(case):
    """That of the same network with numbers of many digits, and other labels."""
    first = before(case)
    network, rng = first.network, np.random.default_rng(9)
    params = network.init(rng)
    params.vector[...] += 0.3 * rng.standard_normal(params.vector.shape)
    labels = (first.batch.labels + 1) % network.classes
    batch = network.batch(rng.standard_normal(first.batch.inputs.shape), labels, params.dtype)
    return explain(network, params, batch, STRATEGIES)


@functools.cache
def written(case, explanation=before):
    """A case as a workbook."""
    return workbook(explanation(case))


def with_inputs_of(other, data):
    """The workbook in `data`, with the numbers of the sheet Inputs taken from another; its formulas are kept."""
    book = editable(data)
    for row in opened(other)["Inputs"].iter_rows():
        for cell in row:
            if isinstance(cell.value, (int, float)):
                book["Inputs"][cell.coordinate].value = cell.value
    return book


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Recalculated: every workbook as it was, with changed inputs, and with one wrong formula."""
    asked = {}
    for case in CASES:
        asked[f"{case} as it was"] = editable(written(case))
        asked[f"{case} changed"] = with_inputs_of(written(case, after), written(case))
    for sheet in ("Chain", "ShortForm"):
        asked[f"{sheet} wrong"] = wrong = editable(written("relu"))
        cell = next(
            cell for row in wrong[sheet].iter_rows() for cell in row if str(cell.value).startswith("=")
        )
        cell.value += "+0.000001"
    return recalculate(asked, tmp_path_factory.mktemp("recalculated"))


def assert_same_cells(got, expected):
    """Every cell, numbers to 1e-12 of 1 or of themselves."""
    assert got.keys() == expected.keys()
    for place, value in expected.items():
        if isinstance(value, str):
            assert got[place] == value, place
        elif place[0] != "Agreement":  # differences of the size of rounding, which the verdict judges
            assert got[place] == pytest.approx(value, rel=1e-12, abs=1e-12), place


@pytest.mark.processes
@needs_soffice
@pytest.mark.parametrize("case", CASES)
def test_every_cell_follows_a_change_as_the_library_says(case, results):
    expected = cells(opened(written(case, after), values=True))
    assert_same_cells(cells(results[f"{case} changed"]), expected)


@pytest.mark.processes
@needs_soffice
@pytest.mark.parametrize("case", CASES)
def test_what_is_shown_before_anything_is_changed_is_what_the_formulas_give(case, results):
    assert_same_cells(cells(results[f"{case} as it was"]), cells(opened(written(case), values=True)))


@pytest.mark.processes
@needs_soffice
@pytest.mark.parametrize("case", CASES)
def test_both_ways_give_the_gradient_of_the_library(case, results):
    explanation, book = after(case), results[f"{case} changed"]
    loss, gradient = backprop.gradient(explanation.network, explanation.params, *explanation.batch)
    for sheet in ("Chain", "ShortForm"):
        for name, expected in gradient.items():
            got = np.array(block(book, sheet, f"∂L/∂{subscripted(name)} ="))
            rows = expected.reshape(len(expected) if expected.ndim > 1 else 1, -1)
            np.testing.assert_allclose(got, rows, rtol=1e-12, atol=1e-14)
        assert block(book, "Start", f"L on the way of {sheet}")[0][0] == pytest.approx(loss, rel=1e-12)
    assert block(book, "Start", "Chain rule and short form") == [["both ways agree"]]


@pytest.mark.processes
@needs_soffice
@pytest.mark.parametrize("case", CASES)
def test_a_change_moves_the_gradient(case, results):
    was, changed = (results[f"{case} {when}"] for when in ("as it was", "changed"))
    for sheet in ("Forward", "Jacobians", "Chain", "ShortForm"):
        assert cells(was)[sheet, "A1"] == cells(changed)[sheet, "A1"]
        differs = [
            place
            for place, value in cells(was).items()
            if place[0] == sheet and cells(changed)[place] != value
        ]
        assert differs


@pytest.mark.processes
@needs_soffice
@pytest.mark.parametrize("sheet", ["Chain", "ShortForm"])
def test_a_wrong_formula_shows_in_the_verdict(sheet, results):
    assert block(results[f"{sheet} wrong"], "Start", "Chain rule and short form") == [["THE TWO WAYS DIFFER"]]


# Without LibreOffice


@pytest.mark.parametrize("case", part(CASES, 4))
def test_everything_but_the_inputs_and_what_is_zero_or_one_by_structure_is_a_formula(case):
    for (sheet, place), value in cells(opened(written(case))).items():
        if sheet == "Jacobians" and not isinstance(value, str):
            assert value in (0, 1), place
        elif sheet not in ("Inputs", "Jacobians"):
            assert isinstance(value, str), (sheet, place)


def test_colours_tell_input_parameter_intermediate_and_gradient_apart():
    book = opened(written("relu"))

    def colour(sheet, title):
        rows = [row for row in book[sheet].iter_rows() if str(row[0].value or "").startswith(title)]
        return book[sheet].cell(rows[0][0].row + 2, 2).fill.fgColor.rgb

    found = [
        colour("Inputs", "x (n"),
        colour("Inputs", "W₁"),
        colour("Forward", "z₁"),
        colour("Jacobians", "∂z₂/∂a₁"),
        colour("ShortForm", "∂L/∂W₁"),
    ]
    assert len(set(found)) == len(found)
    legend = {str(row[0].value): row[0].fill.fgColor.rgb for row in book["Start"].iter_rows()}
    names = ("input", "parameter", "intermediate", "jacobian", "gradient")
    assert [legend[name] for name in names] == found


def test_a_number_keeps_its_sign_and_a_label_has_no_decimals():
    """A number format with conditions would show -0.4 as 0.400."""
    book = opened(written("relu"))
    formats = {cell.number_format for sheet in book for row in sheet.iter_rows() for cell in row}
    assert formats == {"General", "0.000;-0.000;0", "0", "0.0E+00"}
    (label,) = [row[0].row for row in book["Inputs"].iter_rows() if str(row[0].value).startswith("labels")]
    assert book["Inputs"].cell(label + 2, 2).number_format == "0"


def test_in_print_the_inputs_are_one_page_and_every_sheet_is_one_page_wide():
    setups = {sheet.title: sheet.page_setup for sheet in opened(written("deep"))}
    assert {setup.fitToWidth for setup in setups.values()} <= {1, None}  # None: the default, 1
    assert setups["Inputs"].fitToHeight in (1, None)
    assert {setups[name].fitToHeight for name in setups if name != "Inputs"} == {0}
    assert all(sheet.sheet_properties.pageSetUpPr.fitToPage for sheet in opened(written("deep")))


def test_the_totals_stand_at_the_start():
    start = [row[0].value for row in opened(written("example"))["Start"].iter_rows()]
    assert any(str(text).startswith("353 numbers against 67: full-jacobian and short-form") for text in start)


def test_a_loss_has_not_the_colour_of_a_gradient():
    book = opened(written("relu"))

    def colour(sheet, title):
        (row,) = [row[0].row for row in book[sheet].iter_rows() if str(row[0].value or "").startswith(title)]
        return book[sheet].cell(row + 2, 2).fill.fgColor.rgb

    gradient = colour("ShortForm", "∂L/∂W₁")
    assert gradient not in {colour("Forward", "L: the mean"), colour("Start", "L on the way of Chain")}


def test_a_label_takes_class_numbers_alone():
    (rule,) = opened(written("deep"))["Inputs"].data_validations.dataValidation
    assert (rule.type, rule.formula1, rule.formula2) == ("whole", "0", "1")
    assert [str(cells) for cells in rule.sqref.ranges] == ["B11:B13"]


def test_the_same_numbers_give_the_same_cells():
    assert cells(opened(written("gelu"))) == cells(opened(workbook(before("gelu"))))


def test_other_strategies_are_refused():
    with pytest.raises(OptionError) as error:
        workbook(explained("short-form"))
    assert "full-jacobian,short-form" in sentence(error.value)


def test_a_sum_that_nobody_would_read_is_refused():
    network = Network.mlp(120, 1, 2)
    params, batch = example(network, 1, np.random.default_rng(0))
    with pytest.raises(TooLargeError) as error:
        workbook(explain(network, params, batch, STRATEGIES))
    assert "120 terms" in sentence(error.value)


def test_a_formula_longer_than_a_spreadsheet_reads_is_refused(monkeypatch):
    monkeypatch.setattr("backprop.explain.workbook.sheet.LONGEST", 100)
    with pytest.raises(TooLargeError) as error:
        workbook(explained(network="1x3x3 conv3x1 2"))
    assert "letters; expected at most 100, which programs read" in sentence(error.value)


@pytest.mark.parametrize("text", ["3x2 lstm2 2", "4x2 attention 2", "3 3 residual(layer-norm) 2"])
def test_a_layer_without_cells_is_declined_by_its_name(text):
    with pytest.raises(UnsupportedError) as error:
        workbook(explained(network=text))
    assert f"no formula for {text.split()[-2].rstrip('2').partition('(')[0]};" in sentence(error.value)


def test_openpyxl_reads_it():
    assert isinstance(opened(workbook(explained())), openpyxl.Workbook)
