"""The shipped sample: it is what its notice says, and a damaged one is refused."""

import importlib.util
import io
import warnings
import zipfile
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from backprop.data import load, mnist
from backprop.data.idx import write_idx
from backprop.data.sample import read_sample
from backprop.errors import DataError

PARTS = ("train_images", "train_labels", "test_images", "test_labels")
SHA256 = "8865d071f11867360dcf309c0990fb02d19efc2f4b0942603f1b6864fe06bbfe"


@pytest.fixture(scope="module")
def sample():
    return load("sample")


@pytest.fixture(scope="module")
def tool():
    path = Path(__file__).parents[2] / "tools" / "make_sample.py"
    specification = importlib.util.spec_from_file_location("make_sample", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def shipped():
    return files("backprop.data").joinpath("sample.npz").read_bytes()


def test_the_sample_has_500_training_and_100_test_images_of_each_class(sample):
    assert np.bincount(sample.train_labels).tolist() == [500] * 10
    assert np.bincount(sample.test_labels).tolist() == [100] * 10
    assert sample.train_images.shape == (5000, 28, 28)
    assert sample.test_images.shape == (1000, 28, 28)
    assert (sample.classes, sample.name) == (10, "sample")


def test_the_sample_holds_the_known_arrays(sample):
    digest = sha256()
    for part in PARTS:
        digest.update(getattr(sample, part).tobytes())
    assert digest.hexdigest() == SHA256


def test_the_sample_is_about_a_megabyte():
    assert len(shipped()) < 1.2e6


def test_the_notice_names_the_authors_and_the_licence():
    notice = files("backprop.data").joinpath("SAMPLE-LICENSE.md").read_text(encoding="utf-8")
    for words in ("Yann LeCun and Corinna Cortes", "NIST", "CC BY-SA 3.0", "licenses/by-sa/3.0", "first 500"):
        assert words in notice


def test_the_sample_comes_from_the_originals_in_their_order(sample, originals):
    whole = mnist.read_originals(originals)
    for part, each in (("train", 500), ("test", 100)):
        labels = getattr(whole, f"{part}_labels")
        seen, positions = [0] * 10, []
        for position, label in enumerate(labels.tolist()):
            seen[label] += 1
            if seen[label] <= each:
                positions.append(position)
        np.testing.assert_array_equal(getattr(sample, f"{part}_labels"), labels[positions])
        np.testing.assert_array_equal(
            getattr(sample, f"{part}_images"), getattr(whole, f"{part}_images")[positions]
        )


def test_the_tool_makes_the_same_sample_again(tool, sample, originals, tmp_path):
    assert tool.main([str(originals), str(tmp_path / "again.npz")]) == 0
    with (tmp_path / "again.npz").open("rb") as file:
        again = read_sample(file)
    for part in PARTS:
        np.testing.assert_array_equal(getattr(again, part), getattr(sample, part))


def test_the_tool_refuses_what_is_not_the_original(tool, tiny_folder, tmp_path, capsys):
    assert tool.main([str(tiny_folder), str(tmp_path / "again.npz")]) == 2
    assert "wrong SHA-256" in capsys.readouterr().err
    assert not (tmp_path / "again.npz").exists()


def test_a_class_too_small_for_the_sample_is_named(tool):
    labels = np.repeat(np.arange(10, dtype=np.uint8), 3)[:-1]
    with pytest.raises(DataError, match=r"Class 9 is too small .* got 2 images, expected 3"):
        tool.choose(labels, 3)


def archive(**changes):
    """A sample of zeros with some arrays replaced."""
    arrays = {
        "train_images": np.zeros((5000, 28, 28), np.uint8),
        "train_labels": np.zeros(5000, np.uint8),
        "test_images": np.zeros((1000, 28, 28), np.uint8),
        "test_labels": np.zeros(1000, np.uint8),
    } | changes
    file = io.BytesIO()
    np.savez_compressed(file, **{name: array for name, array in arrays.items() if array is not None})
    return file.getvalue()


def raw_archive(content):
    """A sample of zeros whose training images are these bytes."""
    file = io.BytesIO(archive(train_images=None))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as made:
        made.writestr("train_images.npy", content)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def flipped(content, position):
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


HOSTILE = {
    "empty": b"",
    "no archive": b"not an archive",
    "a lone npy": npy(np.zeros(3, np.uint8)),
    "cut": archive()[:500],
    "a missing array": archive(test_labels=None),
    "pickled objects": archive(train_labels=np.array([{}] * 5000, dtype=object)),
    "another dtype": archive(train_labels=np.zeros(5000, np.int64)),
    "another shape": archive(train_images=np.zeros((5000, 784), np.uint8)),
    "a label that is no class": archive(test_labels=np.full(1000, 10, np.uint8)),
    "a lying header": raw_archive(npy(np.zeros(3, np.uint8)).replace(b"(3,)", b"(3" + b"0" * 15 + b",)")),
    "too short": raw_archive(npy(np.zeros((5000, 28, 28), np.uint8))[:-1]),
    "too long": raw_archive(npy(np.zeros((5000, 28, 28), np.uint8)) + b"\0"),
    "no header": raw_archive(b"\x93NUMPY\x01\x00\x10\x00{'descr': ((((  "),
    "an unknown version": raw_archive(b"\x93NUMPY\x07\x00\x10\x00"),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_damaged_or_hostile_archive_is_refused_in_one_sentence(content):
    with pytest.raises(DataError) as caught:
        read_sample(io.BytesIO(content))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert "expected" in str(caught.value)


def test_an_archive_of_the_right_kind_is_read():
    assert not read_sample(
        io.BytesIO(raw_archive(npy(np.zeros((5000, 28, 28), np.uint8))))
    ).train_images.any()


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("a missing array", "has no array test_labels"),
        ("pickled objects", "got object"),
        ("another dtype", "got int64"),
        ("another shape", "got uint8 (5000, 784)"),
        ("a label that is no class", "got 10, expected 0 to 9"),
        ("a lying header", "got uint8 (3000000000000000,)"),
        ("too short", "got 3919999 bytes, expected 3920000"),
        ("too long", "got more, expected 3920000"),
        ("an unknown version", ".npy version"),
    ],
)
def test_a_refusal_says_what_is_wrong_with_the_archive(case, words):
    with pytest.raises(DataError) as caught:
        read_sample(io.BytesIO(HOSTILE[case]))
    assert words in str(caught.value)


@pytest.mark.parametrize("share", np.linspace(0.01, 0.99, 8))
def test_a_flipped_byte_in_the_shipped_archive_is_noticed(share, sample):
    damaged = shipped()
    damaged = flipped(damaged, int(share * len(damaged)))
    with pytest.raises(DataError):
        read_sample(io.BytesIO(damaged))


def test_a_missing_sample_is_refused_with_the_name_of_the_file(monkeypatch, tmp_path):
    monkeypatch.setattr("backprop.data.sample.files", lambda package: tmp_path)
    with pytest.raises(DataError, match=r"expected the file sample\.npz inside the installed package"):
        load("sample")


def test_the_sample_is_loaded_without_a_warning_and_without_the_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the sample needs no network")

    monkeypatch.setattr(mnist, "_download", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load("sample")


def test_the_arrays_of_the_sample_can_be_written_as_idx(sample, tmp_path):
    write_idx(tmp_path / "labels", sample.test_labels)
    assert (tmp_path / "labels").stat().st_size == 1008
