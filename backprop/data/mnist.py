"""Finds MNIST: the shipped sample, the whole original set, or any folder of four files in its format.

The whole set is taken from the folder that the environment variable BACKPROP_DATA names, else from the
user's cache, into which it is fetched once. Whatever its way, its *decompressed* bytes must have the
SHA-256 of the original, so that a recompressed or uncompressed copy is judged by its content.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from backprop.data.dataset import Dataset
from backprop.data.idx import read_idx, write_idx
from backprop.data.sample import load_sample
from backprop.errors import DataError

__all__ = [
    "MIRRORS",
    "ORIGINALS",
    "OriginalFile",
    "cache_folder",
    "load_mnist",
    "read_folder",
    "read_originals",
]

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
"""Where the gzipped files are fetched from, tried in this order."""

_VARIABLE = "BACKPROP_DATA"
_CLASSES = 10
_ELSEWHERE = "--data DIR"
_TIMEOUT = 30  # seconds without an answer, after which the next mirror is tried
_DOWNLOAD_CHUNK = 1 << 16


@dataclass(frozen=True)
class OriginalFile:
    """One of the four files of the original set.

    Attributes:
        name: the file's name, without .gz.
        shape: (n, height, width) of images or (n,) of labels; always uint8.
        sha256: of the decompressed bytes.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str

    def read(self, path: Path, name: str | None = None) -> npt.NDArray[np.uint8]:
        """Read this file from `path`, whatever compression, and refuse anything but the original bytes.

        Raises:
            DataError: the file is not the original.
        """
        return read_idx(path, shape=self.shape, dtype=np.uint8, sha256=self.sha256, name=name)


ORIGINALS = (
    OriginalFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    OriginalFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    OriginalFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    OriginalFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)
"""Training images and labels, then test images and labels: the order of `Dataset`."""


def load_mnist(source: str | Path) -> Dataset:
    """Load a set of labelled images.

    Args:
        source: `"sample"`, the 5,000 + 1,000 images shipped with the package; `"mnist"`, the whole
            original set of 60,000 + 10,000, fetched on first use; or a folder that holds four IDX files
            with the names of MNIST's, plain or gzipped (Fashion-MNIST, say). A `Path` is always a folder.

    Raises:
        DataError: an unknown source, a file that is missing or not what it should be, or no mirror that
            serves the whole set.
    """
    if source == "sample":
        return load_sample()
    if source == "mnist":
        folder = os.environ.get(_VARIABLE)
        return read_originals(Path(folder).expanduser()) if folder else _load_cached()
    if not _is_folder(source):
        raise DataError(
            f"There is no such data: got {str(source)!r}, expected 'sample', 'mnist' or a folder that "
            "holds the four files of MNIST."
        )
    return read_folder(Path(source).expanduser())


def read_folder(folder: Path) -> Dataset:
    """Read any set in MNIST's format: type and shapes are checked, checksums are not.

    The set is named after the folder. It has ten classes, as MNIST and the sets made to replace it, or
    more where a label asks for more.

    Raises:
        DataError: one of the four files is missing or no IDX file of uint8, or they do not fit together.
    """
    arrays = [
        read_idx(_find(folder, file.name), shape=(None,) * len(file.shape), dtype=np.uint8)
        for file in ORIGINALS
    ]
    labels = (arrays[1], arrays[3])
    classes = max(_CLASSES, *(int(part.max()) + 1 for part in labels))
    return _dataset(arrays, classes, folder.resolve().name)


def read_originals(folder: Path) -> Dataset:
    """Read the original MNIST from a folder, each file checked by its SHA-256.

    Raises:
        DataError: one of the four files is missing or not the original.
    """
    return _dataset([file.read(_find(folder, file.name)) for file in ORIGINALS], _CLASSES, "mnist")


def cache_folder() -> Path:
    """The folder of this user and program that keeps the whole set, decompressed; it may not exist yet."""
    import pooch  # not needed for the sample, and slow to import

    return Path(pooch.os_cache("backprop-bench")) / "mnist"


def _dataset(arrays: Iterable[npt.NDArray[np.uint8]], classes: int, name: str) -> Dataset:
    train_images, train_labels, test_images, test_labels = arrays
    return Dataset(train_images, train_labels, test_images, test_labels, classes, name)


def _is_folder(source: str | Path) -> bool:
    try:
        return bool(str(source)) and Path(source).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # a name too long, no such user after ~, a NUL
        return False


def _find(folder: Path, name: str) -> Path:
    """The file of that name: with a dash or a dot before idx, plain or gzipped."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, dotted, f"{name}.gz", f"{dotted}.gz"):
        try:
            if (folder / candidate).exists():
                return folder / candidate
        except OSError as error:
            raise DataError(
                f"The folder {folder} cannot be read: got {str(error.strerror)!r}, "
                f"expected the file {name} in it."
            ) from error
    raise DataError(
        f"A file of the data is missing: got no {name} in the folder {folder}, "
        f"expected it there, plain or as {name}.gz."
    )


def _load_cached() -> Dataset:
    folder = cache_folder()
    try:
        arrays = [_read_cached(file, folder / file.name) for file in ORIGINALS]
    except OSError as error:
        raise DataError(
            f"The cache {folder} cannot be used: got {str(error.strerror or error)!r}, expected a folder "
            f"to keep MNIST in (or give a folder that holds its four files with {_ELSEWHERE})."
        ) from error
    return _dataset(arrays, _CLASSES, "mnist")


def _read_cached(file: OriginalFile, path: Path) -> npt.NDArray[np.uint8]:
    if not path.exists():
        _fetch(file, path)
    try:
        return file.read(path)
    except DataError as error:
        # Whatever is wrong with a cached file, a fresh one is the remedy; nothing of the user's is lost.
        try:
            path.unlink()
            remedy = "it was removed from the cache, so the next load fetches it again"
        except OSError:
            remedy = "remove it from the cache to fetch it again"
        raise DataError(f"{str(error).rstrip('.')}; {remedy}.") from error


def _fetch(file: OriginalFile, target: Path) -> None:
    """Put one file into the cache from the first mirror that serves the original bytes.

    It is downloaded, verified and decompressed beside its place and only then renamed into it, so that
    nobody ever sees a half or a wrong one there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as temporary:
        verified = Path(temporary) / file.name
        for mirror in MIRRORS:
            try:
                _fetch_from(f"{mirror}{file.name}.gz", file, verified)
            except (OSError, ValueError) as error:  # those of requests are OSErrors, DataError a ValueError
                failures.append(f"{mirror}: {_reason(error)}")
            else:
                verified.replace(target)
                return
    raise DataError(
        f"MNIST's {file.name}.gz could not be fetched: got {'; '.join(failures)}; expected one mirror to "
        f"serve it (without a network, give a folder that holds the four files with {_ELSEWHERE})."
    )


def _fetch_from(url: str, file: OriginalFile, verified: Path) -> None:
    download = verified.with_suffix(".download")
    with download.open("wb") as output:
        _download(url, _Bounded(output, _most_bytes(file)))
    write_idx(verified, file.read(download, name="the download"))


def _download(url: str, output: _Bounded) -> None:
    import pooch

    fetch = pooch.HTTPDownloader(
        progressbar=_progress_is_seen(), chunk_size=_DOWNLOAD_CHUNK, timeout=_TIMEOUT
    )
    fetch(url, output, None)


def _progress_is_seen() -> bool:
    """Whether to show a progress bar: it is for people, and noise in a log."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    return watched and _tqdm_is_installed()


def _tqdm_is_installed() -> bool:
    return importlib.util.find_spec("tqdm") is not None


class _Bounded:
    """A file that refuses to grow past a limit: a mirror may send without end."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._left = limit
        self._limit = limit

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise DataError(f"the download is too long: got more than {self._limit} bytes, expected fewer.")
        self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _most_bytes(file: OriginalFile) -> int:
    """More than any gzip of the file takes: data that cannot be packed grows by far less than a tenth."""
    size = int(np.prod(file.shape))
    return size + size // 10 + 4096


def _reason(error: Exception) -> str:
    """Why a mirror failed, in a few words: the messages of requests are long and nested."""
    response: Any = getattr(error, "response", None)
    if response is not None:
        response.close()
        return f"HTTP status {response.status_code}"
    if isinstance(error, DataError):
        return str(error).rstrip(".")
    strerror = getattr(error, "strerror", None)
    return str(strerror or type(error).__name__)
