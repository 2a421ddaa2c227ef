"""The sets that people have on disk: each is read as it comes, and what was done to it is said."""

import gzip
import pickle
import zipfile

import numpy as np
import pytest
from tables import sentence

from backprop.data import as_inputs, load, mnist
from backprop.data.idx import write_idx
from backprop.errors import BackpropError, DataError

NAMES = [file.name for file in mnist.ORIGINALS]


def arrays_of(dataset):
    return dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels


def assert_is(dataset, arrays):
    for one, other in zip(arrays_of(dataset), arrays, strict=True):
        assert one.dtype == np.uint8
        np.testing.assert_array_equal(one, other)


def refusal(source):
    with pytest.raises(DataError) as caught:
        load(source)
    return sentence(caught.value)


def write_set(folder, arrays, prefix="", part="t10k", labels="labels-idx1-ubyte", packed=False):
    """The four files of a set, as MNIST or with other names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ["train-images-idx3-ubyte", f"train-{labels}", f"{part}-images-idx3-ubyte", f"{part}-{labels}"]
    for name, array in zip(names, arrays, strict=True):
        path = folder / f"{prefix}{name}"
        write_idx(path, array)
        if packed:
            (folder / f"{prefix}{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    return folder


@pytest.mark.parametrize("given", ["", "MNIST", "MNIST/raw"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_the_folder_that_torchvision_leaves_is_read_from_wherever_above_it(
    tmp_path, tiny_arrays, given, packed
):
    write_set(tmp_path / "MNIST" / "raw", tiny_arrays, packed=packed)
    dataset = load(tmp_path / given)
    assert_is(dataset, tiny_arrays)
    assert (dataset.name, dataset.notes) == ("MNIST", ())


def test_a_packed_file_beside_the_plain_one_is_not_another_set(tmp_path, tiny_arrays):
    write_set(tmp_path, tiny_arrays, packed=True)
    write_set(tmp_path, tiny_arrays)
    assert_is(load(tmp_path), tiny_arrays)


@pytest.mark.parametrize("key", ["y_train (n,)", "y_train (n, 1)"])
def test_mnist_of_keras_is_read(tmp_path, tiny_arrays, key):
    train, labels, test, test_labels = tiny_arrays
    if "1" in key:
        labels, test_labels = labels[:, None], test_labels[:, None].astype(np.int64)
    np.savez(tmp_path / "mnist.npz", x_train=train, y_train=labels, x_test=test, y_test=test_labels)
    dataset = load(str(tmp_path / "mnist.npz"))
    assert_is(dataset, tiny_arrays)
    assert dataset.name == "mnist"


def test_a_compressed_archive_in_fortran_order_is_read(tmp_path, tiny_arrays):
    train, labels, test, test_labels = tiny_arrays
    file = tmp_path / "mnist.npz"
    np.savez_compressed(
        file, x_train=np.asfortranarray(train), y_train=labels, x_test=test, y_test=test_labels
    )
    assert_is(load(file), tiny_arrays)


def test_nothing_of_an_archive_is_unpickled(tmp_path, tiny_arrays):
    train, labels, test, _ = tiny_arrays
    objects = np.array([print] * 5, object)
    np.savez(tmp_path / "mnist.npz", x_train=train, y_train=labels, x_test=test, y_test=objects)
    assert "nothing is unpickled" in refusal(tmp_path / "mnist.npz")


def test_an_archive_without_the_arrays_of_keras_is_refused_with_those_that_it_has(tmp_path):
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    assert "got images, expected x_train, y_train, x_test, y_test" in refusal(tmp_path / "other.npz")


@pytest.mark.parametrize("content", [b"", b"PK", pickle.dumps([1])], ids=["nothing", "a start", "a pickle"])
def test_a_damaged_archive_is_refused(tmp_path, content):
    (tmp_path / "mnist.npz").write_bytes(content)
    assert "expected an .npz file" in refusal(tmp_path / "mnist.npz")


def test_a_header_that_lies_takes_no_memory(tmp_path, tiny_arrays):
    file = tmp_path / "mnist.npz"
    header = np.lib.format.magic(1, 0)
    text = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 28, 28), }"
    text = text.ljust(117) + b"\n"
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}.npy", header + len(text).to_bytes(2, "little") + text)
    assert "got 0 bytes, expected 7839999999216 bytes" in refusal(file)


def write_table(path, images, labels, names=True):
    rows = np.column_stack([labels, images.reshape(len(images), -1)])
    head = ",".join(["label", *(f"pixel{k}" for k in range(rows.shape[1] - 1))]) + "\n" if names else ""
    path.write_text(head + "\n".join(",".join(map(str, row)) for row in rows.tolist()) + "\n")


@pytest.mark.parametrize("names", [True, False], ids=["names", "no names"])
def test_a_table_of_kaggle_is_split_and_that_is_said(tmp_path, tiny_arrays, names):
    train, labels, *_ = tiny_arrays
    write_table(tmp_path / "train.csv", train, labels, names)
    (tmp_path / "test.csv").write_text("pixel0,pixel1\n1,2\n")  # has no labels
    dataset = load(tmp_path / "train.csv")
    is_test = np.arange(12) % 6 == 5
    assert_is(dataset, [train[~is_test], labels[~is_test], train[is_test], labels[is_test]])
    assert dataset.notes == ("train.csv was split: every sixth image, 2 of 12, is a test image.",)


@pytest.mark.parametrize("cut", [0, 20])
def test_a_gzipped_table_is_read_and_a_damaged_one_refused(tmp_path, tiny_arrays, cut):
    write_table(tmp_path / "train.csv", *tiny_arrays[:2])
    packed = gzip.compress((tmp_path / "train.csv").read_bytes())
    file = tmp_path / "mnist.csv.gz"
    file.write_bytes(packed[:-cut] if cut else packed)
    if cut:
        assert "cannot be read" in refusal(file)
    else:
        assert load(file).name == "mnist"


def test_two_tables_with_labels_are_not_split(tmp_path, tiny_arrays):
    train, labels, test, test_labels = tiny_arrays
    write_table(tmp_path / "mnist_train.csv", train, labels)
    write_table(tmp_path / "mnist_test.csv", test, test_labels)
    dataset = load(tmp_path / "mnist_train.csv")
    assert_is(dataset, tiny_arrays)
    assert dataset.notes == ("The test images are those of mnist_test.csv.",)


TABLES = {
    "no labels": ("pixel0,pixel1\n1,2\n", "has no labels"),
    "text": ("label,pixel0\n1,two\n", "holds text"),
    "an empty cell": ("label,pixel0\n1,\n", "text or empty cells"),
    "no square": ("label,a,b\n" + "1,2,3\n" * 7, "2 pixels a row"),
    "nothing": ("", "cannot be read"),
    "five rows": ("label,a\n" + "1,2\n" * 5, "has 5 rows"),
    "no levels": ("label,a\n" + "1,256\n" * 7, "from 0 to 256"),
    "a label and a half": ("label,a\n" + "1.5,2\n" * 7, "expected whole numbers"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_something_else_is_refused_in_a_sentence(tmp_path, name):
    content, said = TABLES[name]
    (tmp_path / "train.csv").write_text(content)
    assert said in refusal(tmp_path / "train.csv")


def emnist(tmp_path, arrays, split):
    """EMNIST as it comes: images transposed, names with a prefix."""
    turned = [array.swapaxes(1, 2) if array.ndim == 3 else array for array in arrays]
    return write_set(tmp_path / "EMNIST" / "raw", turned, f"emnist-{split}-", part="test")


def many_labels(tiny_arrays, first, classes):
    train, _, test, _ = tiny_arrays
    train = np.resize(train, (classes, *train.shape[1:]))
    labels = np.arange(first, first + classes, dtype=np.uint8)
    return [train, labels, test, labels[:5]]


@pytest.mark.parametrize(("split", "classes"), [("byclass", 62), ("balanced", 47), ("digits", 10)])
def test_emnist_is_turned_and_that_is_said(tmp_path, tiny_arrays, split, classes):
    arrays = many_labels(tiny_arrays, 0, classes)
    folder = emnist(tmp_path, arrays, split)
    dataset = load(folder)
    assert_is(dataset, arrays)
    assert (dataset.name, dataset.classes) == (f"emnist-{split}", classes)
    assert dataset.notes == ("The images of EMNIST lie transposed; they were turned.",)


def test_letters_counted_from_one_become_classes_from_zero_and_that_is_said(tmp_path, tiny_arrays):
    arrays = many_labels(tiny_arrays, 1, 26)
    dataset = load(emnist(tmp_path, arrays, "letters"))
    assert_is(dataset, [arrays[0], arrays[1] - 1, arrays[2], arrays[3] - 1])
    assert dataset.classes == 26
    assert dataset.notes[1] == "The labels 1 to 26 became the classes 0 to 25."


def test_digits_without_a_zero_are_not_counted_from_one(tmp_path, tiny_arrays):
    arrays = many_labels(tiny_arrays, 1, 9)
    assert_is(load(write_set(tmp_path, arrays)), arrays)


def test_of_several_sets_in_a_folder_one_is_named(tmp_path, tiny_arrays):
    for split in ("digits", "mnist"):
        folder = emnist(tmp_path, tiny_arrays, split)
    said = refusal(folder)
    assert (
        f"got {folder / 'emnist-digits'}, {folder / 'emnist-mnist'}, expected one, or one by its name" in said
    )
    for given in (folder / "emnist-digits", str(folder / "emnist-digits")):
        assert load(given).name == "emnist-digits"


def test_of_several_folders_of_torchvision_one_is_named(tmp_path, tiny_arrays):
    for name in ("FashionMNIST", "MNIST"):
        write_set(tmp_path / name / "raw", tiny_arrays)
    assert f"--data {tmp_path / 'FashionMNIST' / 'raw'}." in refusal(tmp_path)
    assert load(tmp_path / "FashionMNIST").name == "FashionMNIST"


def test_the_set_without_a_prefix_goes_before_those_with_one(tmp_path, tiny_arrays):
    write_set(tmp_path, tiny_arrays)
    write_set(tmp_path, tiny_arrays, "qmnist-")
    assert load(tmp_path).name == tmp_path.name


def test_qmnist_has_its_class_in_the_first_of_eight_columns(tmp_path, tiny_arrays):
    train, labels, test, test_labels = tiny_arrays
    wide = [
        np.column_stack([each] + [np.full(len(each), 70_000)] * 7).astype(np.int32)
        for each in (labels, test_labels)
    ]
    arrays = [train, wide[0], test, wide[1]]
    dataset = load(write_set(tmp_path, arrays, "qmnist-", "test", "labels-idx2-int"))
    assert_is(dataset, tiny_arrays)
    assert dataset.notes == ("The labels are the first of 8 columns.",)


def test_kuzushiji_as_numpy_arrays_is_read(tmp_path, tiny_arrays):
    names = ("train-imgs", "train-labels", "test-imgs", "test-labels")
    for name, array in zip(names, tiny_arrays, strict=True):
        np.savez_compressed(tmp_path / f"kmnist-{name}.npz", array)
    dataset = load(tmp_path)
    assert_is(dataset, tiny_arrays)
    assert dataset.name == "kmnist"


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_levels_of_any_type_are_the_same_images(tmp_path, tiny_arrays, dtype):
    arrays = [array.astype(dtype) if array.ndim == 3 else array for array in tiny_arrays]
    dataset = load(write_set(tmp_path, arrays))
    assert_is(dataset, tiny_arrays)
    assert dataset.notes == ()


def test_images_from_zero_to_one_are_the_same_levels(tmp_path, tiny_arrays):
    arrays = [
        (array / np.float32(255)).astype(np.float32) if array.ndim == 3 else array for array in tiny_arrays
    ]
    dataset = load(write_set(tmp_path, arrays))
    assert_is(dataset, tiny_arrays)
    assert dataset.notes == ()


def test_images_between_the_levels_are_rounded_and_that_is_said(tmp_path, tiny_arrays):
    arrays = [
        array.astype(np.float32) + np.float32(0.3) * (array < 200) if array.ndim == 3 else array
        for array in tiny_arrays
    ]
    dataset = load(write_set(tmp_path, arrays))
    assert_is(dataset, tiny_arrays)
    assert dataset.notes == ("The images were rounded to 256 levels of grey.",)


@pytest.mark.parametrize("change", [-0.4, 300, np.nan], ids=str)
def test_images_that_are_no_levels_are_refused_with_what_to_do(tmp_path, tiny_arrays, change):
    arrays = [array.astype(np.float32) for array in tiny_arrays]
    arrays[0][0, 0, 0] = change
    said = refusal(write_set(tmp_path, arrays))
    assert ("undo their normalisation" in said) or ("NaN" in said)


def test_images_in_colour_have_three_inputs_for_each_pixel(tmp_path, tiny_arrays):
    _, labels, _, test_labels = tiny_arrays
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (n, 5, 4, 3), dtype=np.uint8) for n in (12, 5)]
    np.savez(tmp_path / "c.npz", x_train=images[0], y_train=labels, x_test=images[1], y_test=test_labels)
    dataset = load(tmp_path / "c.npz")
    assert dataset.pixels == 60
    assert "5 x 4 x 3" in repr(dataset)
    np.testing.assert_array_equal(as_inputs(images[0], np.float64), images[0].reshape(12, 60) / 255)


def saved(path, arrays, **changed):
    """An archive as of Keras, with some arrays changed."""
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(path, **dict(zip(names, arrays, strict=True)) | changed)
    return load(path)


def test_images_in_rows_and_labels_that_are_one_hot_are_read(tmp_path, tiny_arrays):
    train, labels, test, test_labels = tiny_arrays
    square = [each[:, :3, :3].copy() for each in (train, test)]
    rows = [each.reshape(len(each), 9) for each in square]
    arrays = [square[0], labels, square[1], test_labels]
    hot = {"y_train": np.eye(10)[labels], "y_test": np.eye(10, dtype=int)[test_labels]}
    dataset = saved(tmp_path / "rows.npz", arrays, x_train=rows[0], x_test=rows[1], **hot)
    assert_is(dataset, arrays)
    assert dataset.notes == ("The labels were one-hot.",)


def test_channels_that_come_first_are_put_last_and_that_is_said(tmp_path, tiny_arrays):
    colour = [np.stack([each, each // 2, each // 3], axis=1) for each in (tiny_arrays[0], tiny_arrays[2])]
    dataset = saved(tmp_path / "c.npz", tiny_arrays, x_train=colour[0], x_test=colour[1])
    np.testing.assert_array_equal(dataset.train_images, np.moveaxis(colour[0], 1, 3))
    assert dataset.notes == ("The channels of the images came first; they were put last.",)
    grey = saved(tmp_path / "g.npz", tiny_arrays, x_train=colour[0][:, :1], x_test=colour[1][:, :1])
    assert_is(grey, tiny_arrays)


@pytest.mark.parametrize("shape", [(12, 7, 5), (12, 26), (12, 2, 6, 6), (12, 6, 6, 4)], ids=str)
def test_images_of_no_known_shape_are_refused(tmp_path, tiny_arrays, shape):
    arrays = [np.zeros(shape, np.uint8), *tiny_arrays[1:]]
    with pytest.raises(BackpropError) as caught:
        saved(tmp_path / "s.npz", arrays)
    sentence(caught.value)


@pytest.mark.parametrize("name", ["mnist.pkl.gz", "train.parquet", "train-images-idx3-ubyte"])
def test_a_file_of_another_kind_is_refused_with_the_kinds_that_are_read(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps([1]))
    said = refusal(tmp_path / name)
    assert said.startswith(
        f"A file of this kind is not read: got {tmp_path / name}; expected a folder of IDX files, a"
    )


def test_a_folder_with_a_single_file_says_to_give_the_file(tmp_path, tiny_arrays):
    write_table(tmp_path / "train.csv", *tiny_arrays[:2])
    assert f"the file {tmp_path / 'train.csv'} can be given by itself" in refusal(tmp_path)


def test_the_file_that_a_set_with_a_prefix_lacks_is_named_with_it(tmp_path, tiny_arrays):
    folder = emnist(tmp_path, tiny_arrays, "digits")
    (folder / "emnist-digits-train-labels-idx1-ubyte").unlink()
    assert "got no emnist-digits-train-labels-idx1-ubyte in the folder" in refusal(folder)


def test_the_originals_are_the_same_by_keras_and_by_folder(originals, tmp_path):
    dataset = load(originals)
    part = [array[:50] for array in arrays_of(dataset)]
    np.savez(tmp_path / "mnist.npz", x_train=part[0], y_train=part[1], x_test=part[2], y_test=part[3])
    assert_is(load(tmp_path / "mnist.npz"), part)
