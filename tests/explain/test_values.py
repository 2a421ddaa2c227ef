"""One's own numbers on the board: what is given is shown, the rest is drawn, and what does not fit is said."""

import io
import pickle
import re
import zipfile

import numpy as np
import openpyxl
import pytest
from command import backprop
from explain.explained import explained
from tables import sentence

from backprop import Network
from backprop.errors import BackpropError
from backprop.explain import Values, read_values
from backprop.explain.explanation import MOST_NUMBERS

W1, B1 = np.array([[0.5, -1, 2], [1, 0.25, -3]]), np.array([0.125, -0.5, 4])
W2, B2 = np.array([[1, 2], [3, 4], [5, 6]]), np.array([0, 1])
INPUTS, LABELS = np.array([[0.5, -2], [1, 1], [2, -0.5]]), np.array([1, 0, 1])
WHOLE = {"W1": W1, "b1": B1, "W2": W2, "b2": B2, "inputs": INPUTS, "labels": LABELS}


def saved(folder, **arrays):
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return path


def test_all_numbers_are_those_of_the_file(tmp_path):
    own = read_values(saved(tmp_path, **WHOLE))
    assert (own.sizes(), own.samples) == ("2-3-2", 3)
    params, batch, origin = own.complete(Network.parse("2-3-2"), 3, 0)
    for name in ("W1", "b1", "W2", "b2"):
        np.testing.assert_array_equal(params[name], WHOLE[name])
    np.testing.assert_array_equal(batch.inputs, INPUTS)
    np.testing.assert_array_equal(batch.labels, LABELS)
    assert origin == "From mine.npz: W1, b1, W2, b2, inputs, labels."


SUBSETS = {
    "only the inputs": (["inputs"], "2-4-2", 3),
    "only a weight": (["W1"], "2-3", None),
    "the second weight": (["W2"], "3-3-2", None),
    "the second bias": (["b2"], "3-4-2", None),
    "only labels": (["labels"], "3-4-2", 3),
    "weights": (["W1", "W2"], "2-3-2", None),
}


@pytest.mark.parametrize("name", SUBSETS)
def test_the_rest_is_drawn_and_named(name, tmp_path):
    names, sizes, samples = SUBSETS[name]
    own = read_values(saved(tmp_path, **{name: WHOLE[name] for name in names}))
    assert (own.sizes(), own.samples) == (sizes, samples)
    network, n = Network.parse(sizes), samples or 2
    params, batch, origin = own.complete(network, n, 7)
    found = dict(params.items()) | {"inputs": batch.inputs, "labels": batch.labels}
    drawn = [name for name in found if name not in names]
    for one in names:
        np.testing.assert_array_equal(found[one], WHOLE[one])
    assert origin == f"From mine.npz: {', '.join(names)}. Drawn with seed 7: {', '.join(drawn)}."
    again, *_ = own.complete(network, n, 7)
    np.testing.assert_array_equal(params.vector, again.vector)


def test_classes_are_enough_for_the_labels(tmp_path):
    assert read_values(saved(tmp_path, labels=[0, 5])).sizes() == "3-4-6"


@pytest.mark.parametrize(
    ("kept", "expected"),
    [(np.float32([[0.5, -1.0]]), [[0.5, -1]]), (np.array([[1, 2]]), [[1, 2]]), (np.asfortranarray(W1), W1)],
    ids=["float32", "whole numbers", "Fortran order"],
)
def test_any_real_numbers_are_taken_as_they_are(kept, expected, tmp_path):
    got = read_values(saved(tmp_path, W1=kept)).arrays["W1"]
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, expected)


def test_a_compressed_file_is_read(tmp_path):
    np.savez_compressed(tmp_path / "mine.npz", W1=W1)
    np.testing.assert_array_equal(read_values(tmp_path / "mine.npz").arrays["W1"], W1)


def test_without_values_the_numbers_are_those_of_the_example():
    params, batch, origin = Values().complete(Network.parse("3-4-2"), 2, 10)
    np.testing.assert_array_equal(params.vector, explained().params.vector)
    np.testing.assert_array_equal(batch.inputs, explained().batch.inputs)
    assert origin == ""


# The command


@pytest.mark.parametrize(("option", "ending"), [("text", ".txt"), ("markdown", ".md"), ("html", ".html")])
def test_every_format_shows_them_and_says_what_is_drawn(option, ending, tmp_path):
    saved(tmp_path, W1=W1, inputs=INPUTS, b2=B2)
    out = f"page{ending}"
    done = backprop("explain", "--values", "mine.npz", "--format", option, "--out", out, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    shown = (tmp_path / out).read_text(encoding="utf-8")
    assert "From mine.npz: W1, b2, inputs. Drawn with seed 10: b1, W2, labels." in shown
    assert "2-3-2 relu cross-entropy, batch 3" in shown
    for number in ("0.25", "-3.00", "-2.0"):
        assert number in shown


def test_the_workbook_holds_them(tmp_path):
    saved(tmp_path, **WHOLE)
    assert backprop("explain", "--values", "mine.npz", "--out", "w.xlsx", cwd=tmp_path).code == 0
    book = openpyxl.load_workbook(tmp_path / "w.xlsx")
    numbers = {
        cell.value for row in book["Inputs"].iter_rows() for cell in row if not isinstance(cell.value, str)
    }
    assert {*W1.flat, *B1.flat, *INPUTS.flat} <= numbers
    said = {cell.value for row in book["Start"].iter_rows() for cell in row}
    assert "From mine.npz: W1, b1, W2, b2, inputs, labels." in said


def test_the_network_that_is_named_holds_and_the_arrays_must_fit_it(tmp_path):
    saved(tmp_path, W1=W1)
    done = backprop("explain", "--values", "mine.npz", "--network", "2-3-4", cwd=tmp_path)
    assert done.code == 0
    assert "2-3-4 relu" in done.out
    done = backprop("explain", "--values", "mine.npz", "--network", "3-4-2", cwd=tmp_path)
    assert "W1 of 'mine.npz' has the shape (2, 3); expected (3, 4)" in done.error_sentence


def test_the_help_names_the_arrays(tmp_path):
    shown = " ".join(re.sub("[│\n]", " ", backprop("explain", "--help", cwd=tmp_path).out).split())
    for word in ("W1 (i, o)", "b1 (o,)", "inputs (n, i)", "labels (n,)", "np.savez"):
        assert word in shown


MISTAKES = {
    "shapes that do not fit": ({"W1": W1, "b1": B2}, "W1 (2, 3) and b1 (2,)"),
    "two layers that do not fit": (
        {"W1": W1, "W2": np.ones((4, 2))},
        "as many outputs of layer 1 in both, 3 or 4",
    ),
    "inputs that do not fit": (
        {"W1": W1, "inputs": np.ones((2, 3))},
        "as many inputs of the network in both",
    ),
    "a label too few": ({"inputs": INPUTS, "labels": LABELS[:2]}, "3 samples and the labels 2"),
    "a weight of one axis": ({"W1": B1}, "has the shape (3,); expected (i, o)"),
    "a bias of two axes": ({"b1": W1}, "expected (o,)"),
    "labels one-hot": ({"labels": np.eye(2)}, "expected (n,)"),
    "nothing in it": ({"W1": np.ones((0, 3))}, "none of them 0"),
    "a name": ({"w1": W1}, "did you mean 'W1'"),
    "a name of something else": ({"meta": W1}, "Unknown array 'meta'"),
    "a tenth layer": ({"W10": W1}, "Unknown array 'W10'"),
    "labels of fractions": (
        {"labels": [0.5, 1]},
        "labels of 'mine.npz' is of the dtype float64; expected integers",
    ),
    "complex numbers": ({"W1": W1 * 1j}, "complex128; expected real numbers"),
    "texts": ({"W1": [["a", "b"]]}, "expected real numbers"),
    "truth values": ({"W1": [[True, False]]}, "bool; expected real numbers"),
    "NaN": ({"W1": [[1, np.nan]]}, "W1 of 'mine.npz' has nan at [0, 1]"),
    "infinity": ({"b1": [np.inf, 1]}, "has inf at [0]"),
    "a label that is no class": ({"W1": W1, "labels": [0, 3]}, "Label 3 of sample 1 is no class"),
    "a negative label": ({"labels": [0, -1]}, "Label -1"),
    "far too many": ({"W1": np.zeros((65, 64))}, f"at most {MOST_NUMBERS:,}"),
    "no array": ({}, "holds no array"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_nothing_is_written(name, tmp_path):
    arrays, named = MISTAKES[name]
    saved(tmp_path, **arrays)
    done = backprop("explain", "--values", "mine.npz", "--out", "page.html", cwd=tmp_path)
    assert named in done.error_sentence
    assert done.code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)


def header(shape, dtype="<f8"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def refused(path):
    with pytest.raises(BackpropError) as error:
        read_values(path)
    return sentence(error.value)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
    monkeypatch.setattr(pickle, "loads", lambda *_, **__: pytest.fail("unpickled"))
    np.savez(tmp_path / "mine.npz", W1=np.array([[{}]], dtype=object))
    assert "dtype object" in refused(tmp_path / "mine.npz")


def test_no_memory_is_allocated_for_what_a_header_claims(tmp_path):
    archive(tmp_path / "mine.npz", W1=header((10**9, 10**9)))
    assert "1,000,000,000,000,000,000 numbers; expected at most" in refused(tmp_path / "mine.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"W1 = 3"])
def test_a_file_that_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "mine.npz").write_bytes(content)
    assert "expected an .npz file" in refused(tmp_path / "mine.npz")


@pytest.mark.parametrize("content", [b"", b"nonsense", header((2, 2)), header((2, 2)) + bytes(31)])
def test_a_damaged_array_is_refused(content, tmp_path):
    archive(tmp_path / "mine.npz", W1=content)
    assert "damaged" in refused(tmp_path / "mine.npz")


@pytest.mark.parametrize("name", ["nothing.npz", ".", "a\0b"])
def test_a_file_that_is_not_there_is_refused(name, tmp_path):
    assert "There is no file" in refused(tmp_path / name)
