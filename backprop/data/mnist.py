"""Finds MNIST: the shipped sample, the whole original set, or any folder or file of such images.

The whole set is taken from the folder that the environment variable BACKPROP_DATA names, else from the user's cache,
into which pooch downloads it once. In either place the *decompressed* bytes must have the SHA-256 of the original, so
that a recompressed or uncompressed copy is judged by its content.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import functools
import glob
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backprop.data.dataset import Dataset
from backprop.data.files import is_data_file, read_file
from backprop.data.folder import original_files, read_folder
from backprop.data.idx import read_idx, write_idx
from backprop.data.sample import load_sample
from backprop.errors import DataError
from backprop.user_cache import user_cache

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
"""Where the gzipped files are downloaded from, tried in this order."""

_VARIABLE = "BACKPROP_DATA"
_CLASSES = 10
_ELSEWHERE = (
    "take the digits that are in the package, --data sample, or a folder with the four files, --data DIR"
)
_TIMEOUT_S = 30
"""Seconds without an answer, after which the next mirror is tried."""


@dataclass(frozen=True)
class OriginalFile:
    """One of the four files of the original set, uint8.

    name: without .gz. size: of the decompressed bytes, whose checksum is `sha256`.
    """

    name: str
    size: int
    sha256: str

    def read(self, path: Path, name: str | None = None) -> npt.NDArray[np.uint8]:
        """Read this file from `path`, plain or gzipped; raises `DataError` for anything but the original bytes."""
        return read_idx(path, sha256=self.sha256, name=name)


ORIGINALS = (
    OriginalFile(
        "train-images-idx3-ubyte",
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    OriginalFile(
        "train-labels-idx1-ubyte",
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    OriginalFile(
        "t10k-images-idx3-ubyte",
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    OriginalFile(
        "t10k-labels-idx1-ubyte",
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
"""Training images and labels, then test images and labels: the order of `Dataset`."""


def load_mnist(source: str | Path) -> Dataset:
    """Load a set of labelled images.

    source: `"sample"`, the 5,000 + 1,000 images shipped with the package; `"mnist"`, the whole original set of
    60,000 + 10,000, downloaded on first use; a folder with images and labels as MNIST, Fashion-MNIST,
    Kuzushiji-MNIST, EMNIST and QMNIST come, or as torchvision leaves them (`backprop.data.folder`); or one file,
    Keras' mnist.npz or Kaggle's train.csv (`backprop.data.files`). A `Path` is always a folder or a file. What was
    done beyond reading, such as images that were turned, is in the notes of the set.

    Raises `DataError` for an unknown source, for a file that is missing or not what it should be, and where no mirror
    serves the whole set.
    """
    if source == "sample":
        return load_sample()
    if source == "mnist":
        folder = os.environ.get(_VARIABLE)
        return read_originals(Path(folder).expanduser()) if folder else _load_cached()
    try:
        path = Path(source).expanduser()
        is_file = bool(str(source)) and is_data_file(path)
        is_folder = bool(str(source)) and (path.is_dir() or _begins_names(path))
        is_other = path.is_file()
    except (OSError, RuntimeError, ValueError):  # a name too long, no such user after ~, a NUL
        is_file = is_folder = is_other = False
    if is_file:
        return read_file(path)
    if not is_folder:
        if is_other:
            raise DataError(
                f"A file of this kind is not read: got {path}; expected a folder of IDX files, a .csv of labels "
                "and pixels, or an .npz as numpy.savez writes it, with x_train, y_train, x_test and y_test."
            )
        raise DataError(
            f"There is no such data: got {str(source)!r}, expected 'sample', 'mnist' or a folder that "
            "holds the four files of MNIST, Keras' mnist.npz, or Kaggle's train.csv."
        )
    return read_folder(path, _names())


def _begins_names(path: Path) -> bool:
    """Whether files in the folder have names that begin so, such as `raw/emnist-letters`."""
    return not path.exists() and path.parent.is_dir() and any(path.parent.glob(f"{glob.escape(path.name)}-*"))


def read_originals(folder: Path) -> Dataset:
    """Read the original MNIST from a folder; raises `DataError` where a file is missing or not the original."""
    paths = original_files(folder, _names())
    arrays = (file.read(path) for file, path in zip(ORIGINALS, paths, strict=True))
    return Dataset(*arrays, classes=_CLASSES, name="mnist")


def _names() -> tuple[str, ...]:
    return tuple(file.name for file in ORIGINALS)


def cache_folder() -> Path:
    """The folder that keeps the whole set, decompressed; it may not exist yet."""
    return user_cache() / "mnist"


def _load_cached() -> Dataset:
    folder = cache_folder()
    try:
        arrays = (_read_cached(file, folder) for file in ORIGINALS)
        return Dataset(*arrays, classes=_CLASSES, name="mnist")
    except OSError as error:
        raise DataError(
            f"The cache {folder} cannot be used: got {str(error.strerror or error)!r}, expected a folder "
            f"to keep MNIST in (or {_ELSEWHERE})."
        ) from error


def _read_cached(file: OriginalFile, folder: Path) -> npt.NDArray[np.uint8]:
    path = folder / file.name
    if not path.exists():
        _fetch(file, folder)
    try:
        return file.read(path)
    except DataError as error:
        # Whatever is wrong with a cached file, downloading it again is the remedy; no file of the user's own is lost.
        try:
            path.unlink()
            remedy = "it was removed from the cache, so the next load fetches it again"
        except OSError:
            remedy = "remove it from the cache to fetch it again"
        raise DataError(f"{str(error).rstrip('.')}; {remedy}.") from error


def _fetch(file: OriginalFile, folder: Path) -> None:
    """Put one file into the cache from the first mirror that serves the original bytes.

    pooch downloads into a temporary file in the folder, compares the SHA-256 and only then renames the file, so that
    the cache never holds half a file or a wrong one.
    """
    import pooch
    from requests import RequestException

    pooch.get_logger().setLevel("WARNING")  # its progress bar says enough
    failures = []
    for mirror in MIRRORS:
        url, checksum = f"{mirror}{file.name}.gz", f"sha256:{file.sha256}"
        try:
            pooch.retrieve(url, checksum, file.name, folder, downloader=functools.partial(_download, file))
            return
        except (RequestException, DataError) as error:
            failures.append(f"{mirror}: {_reason(error)}")
    raise DataError(
        f"MNIST's {file.name}.gz could not be fetched: got {'; '.join(failures)}; expected one mirror to "
        f"serve it (without a network, {_ELSEWHERE})."
    )


def _download(file: OriginalFile, url: str, target: str, _: Any) -> None:
    """What pooch calls: write the decompressed bytes of `url` to the path `target`.

    Raises `DataError` where they are not the original, which says more than pooch's own check does.
    """
    import pooch

    path = Path(target)
    downloader = pooch.HTTPDownloader(progressbar=_progress_is_seen(), chunk_size=1 << 16, timeout=_TIMEOUT_S)
    with _Bounded(path, file) as packed:
        downloader(url, packed, None)
    write_idx(path, file.read(path, name="the download"))


def _progress_is_seen() -> bool:
    """Whether to show a progress bar: people read it, and in a log it is noise."""
    return sys.stderr is not None and sys.stderr.isatty()


class _Bounded(io.FileIO):
    """A file that refuses to grow beyond what a gzip of the original takes: a mirror may send without end."""

    def __init__(self, path: Path, file: OriginalFile) -> None:
        super().__init__(path, "wb")
        # Data that cannot be compressed grow by far less than a tenth.
        self._limit = file.size + file.size // 10 + 4096

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._limit:
            raise DataError(f"the download is too long: got more than {self._limit} bytes, expected fewer.")
        return super().write(data)


def _reason(error: Exception) -> str:
    """Why a mirror failed, in a few words: the messages of requests are long and nested."""
    response: Any = getattr(error, "response", None)
    if response is not None:
        response.close()
        return f"HTTP status {response.status_code}"
    return str(error).rstrip(".") if isinstance(error, DataError) else type(error).__name__
