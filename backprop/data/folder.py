"""Folders of images and labels in files of their own, as MNIST and the sets made after it come.

    train-images-idx3-ubyte         MNIST, Fashion-MNIST, Kuzushiji-MNIST; with a dot before idx, gzipped or not
    emnist-letters-train-…          EMNIST: a name before; the images lie transposed, and are turned
    qmnist-train-labels-idx2-int    QMNIST: labels of eight columns of int32
    kmnist-train-imgs.npz           Kuzushiji-MNIST as NumPy arrays

The folder may be the one that torchvision leaves: the files lie in MNIST/raw, and `raw` or what is above it is given.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy.typing as npt

from backprop.data.dataset import Dataset
from backprop.data.forms import Part, dataset_of
from backprop.data.idx import read_idx
from backprop.errors import DataError
from backprop.npz import of_numbers, read_npz

ROLES = ("train-images", "train-labels", "test-images", "test-labels")

_NAME = re.compile(
    r"(?P<prefix>.*?)(?P<part>train|t10k|test)-"
    r"((?P<kind>images|labels)[-.]idx\d-(ubyte|byte|short|int|float|double)(\.gz)?|(?P<array>imgs|labels)\.npz)"
)
_ALSO_IN = ("raw", "*/raw", "*/*/raw")
"""Where the files may lie below the folder that is given."""

Set = dict[str, Path]
"""The files of one set by their roles."""


def read_folder(folder: Path, names: tuple[str, ...]) -> Dataset:
    """Read the set in a folder: types and shapes are checked, checksums are not.

    folder: one with files, or such a folder and the beginning of their names, `raw/emnist-letters`. names: what the
    four files are called where there are none with names as above, for the message.

    The set is named after the folder, or after what its files' names begin with. It has ten classes, or more where
    the largest label needs more. Raises `DataError` where a file is missing or is none of these, where several sets
    lie there, and where the files do not fit together.
    """
    wanted = ""
    if not folder.is_dir():
        folder, wanted = folder.parent, folder.name
    for pattern in ("", *_ALSO_IN):
        places = sorted(place for place in folder.glob(pattern) if place.is_dir()) if pattern else [folder]
        chosen = {
            place / prefix.rstrip("-_"): files for place in places for prefix, files in _whole(place, wanted)
        }
        if len(chosen) > 1:
            raise DataError(
                f"The folder {folder} holds several sets: got {', '.join(map(str, chosen))}, expected one, or one by "
                f"its name, such as --data {next(iter(chosen))}."
            )
        for path, files in chosen.items():
            return _read(files, path.parent.name if path.name == "raw" else path.resolve().name)
    raise _missing(folder, names)


def original_files(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The four files in a folder whose names begin with nothing else; raises `DataError` where one is missing."""
    files = _sets(folder).get("", {})
    if len(files) < len(ROLES):
        raise _missing(folder, names)
    return [files[role] for role in ROLES]


def _whole(folder: Path, wanted: str) -> list[tuple[str, Set]]:
    """The sets in a folder of which no file is missing: those of a name, else that without one, else all."""
    sets = {prefix: files for prefix, files in _sets(folder).items() if len(files) == len(ROLES)}
    if wanted:
        return [(prefix, files) for prefix, files in sets.items() if prefix.rstrip("-_") == wanted]
    return [("", sets[""])] if "" in sets else sorted(sets.items())


def _sets(folder: Path) -> dict[str, Set]:
    """The sets in a folder by what their files' names begin with; a plain file goes before a gzipped one."""
    found: dict[str, Set] = {}
    try:
        paths = sorted(folder.iterdir(), key=lambda path: (path.suffix == ".gz", "." in path.stem, path.name))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be read: got {str(error.strerror)!r}, expected images and labels in it."
        ) from error
    for path in paths:
        match = _NAME.fullmatch(path.name)
        if match:
            part = "train" if match["part"] == "train" else "test"
            kind = "labels" if "labels" in (match["kind"], match["array"]) else "images"
            found.setdefault(match["prefix"], {}).setdefault(f"{part}-{kind}", path)
    return found


def _missing(folder: Path, names: tuple[str, ...]) -> DataError:
    """What is missing where no set is whole: of one that has begun, or the file of that name."""
    sets = _sets(folder)
    prefix, files = max(sets.items(), key=lambda item: len(item[1]), default=("", {}))
    name = next(name for name, role in zip(names, ROLES, strict=True) if role not in files)
    single = [path for pattern in ("*.npz", "*.csv") for path in folder.glob(pattern)]
    single.sort(key=lambda path: ("train" not in path.name, path))
    instead = f"; the file {single[0]} can be given by itself" if single and not files else ""
    return DataError(
        f"A file of the data is missing: got no {prefix}{name} in the folder {folder}, "
        f"expected it there, plain or as {prefix}{name}.gz{instead}."
    )


def _read(files: Set, name: str) -> Dataset:
    train, test = (
        Part(
            _array(files[f"{part}-images"], (3, 4)),
            _array(files[f"{part}-labels"], (1, 2)),
            str(files[f"{part}-labels"]),
        )
        for part in ("train", "test")
    )
    notes = []
    is_emnist = name.startswith("emnist")
    if is_emnist:  # its authors stored columns where MNIST has rows
        train, test = (part._replace(images=part.images.swapaxes(1, 2)) for part in (train, test))
        notes.append("The images of EMNIST lie transposed; they were turned.")
    return dataset_of(train, test, name, notes, from_one=name == "emnist-letters")


def _array(path: Path, dimensions: tuple[int, ...]) -> npt.NDArray[Any]:
    if path.suffix == ".npz":
        return read_npz(path, f"The file {path}", lambda _: of_numbers, ["arr_0"])["arr_0"]
    return read_idx(path, dimensions=dimensions)
