"""Makes backprop/data/sample.npz again from the four original MNIST files.

    python tools/make_sample.py DIR backprop/data/sample.npz

DIR holds the originals, plain or gzipped; they are checked by SHA-256. The same arrays come out every time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backprop.data.dataset import Dataset
from backprop.data.mnist import read_originals
from backprop.data.sample import CLASSES, TEST_EACH, TRAIN_EACH
from backprop.errors import DataError


def choose(labels: npt.NDArray[np.uint8], each: int) -> npt.NDArray[np.intp]:
    """Positions of the first `each` samples of every class, in ascending order.

    Raises `DataError` for a class that has fewer samples.
    """
    chosen = [np.flatnonzero(labels == label)[:each] for label in range(CLASSES)]
    for label, positions in enumerate(chosen):
        if len(positions) < each:
            raise DataError(
                f"Class {label} is too small for the sample: got {len(positions)} images, expected {each}."
            )
    return np.sort(np.concatenate(chosen))


def cut(whole: Dataset) -> dict[str, npt.NDArray[np.uint8]]:
    """The arrays of the sample, by the names that they have in the archive."""
    train = choose(whole.train_labels, TRAIN_EACH)
    test = choose(whole.test_labels, TEST_EACH)
    return {
        "train_images": whole.train_images[train],
        "train_labels": whole.train_labels[train],
        "test_images": whole.test_images[test],
        "test_labels": whole.test_labels[test],
    }


def main(arguments: list[str] | None = None) -> int:
    """Read DIR, write OUT; the exit code is 2 if the originals are not there or not the originals."""
    parser = argparse.ArgumentParser(description="Make the shipped sample of MNIST again.")
    parser.add_argument("source", metavar="DIR", type=Path, help="folder of the four original files")
    parser.add_argument("output", metavar="OUT", type=Path, help="the .npz file to write")
    options = parser.parse_args(arguments)
    try:
        arrays = cut(read_originals(options.source))
    except DataError as error:
        print(error, file=sys.stderr)
        return 2
    # An open file: savez would add .npz to a name that lacks it.
    with options.output.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    print(f"{options.output}: {options.output.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
