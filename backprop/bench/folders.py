"""Where results go: into a folder of their own, or the one that was named, where nothing is replaced unasked.

results/2026-11-26T20-42-30             a run, by the time at which it began (UTC)
results/2026-11-26T21-03-11-training    a training
results/latest, latest-training         the newest of them: a link or, where there are none, a file with its name
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from backprop.bench.output import write_whole, writing
from backprop.errors import OutputError, is_file

RESULTS = Path("results")
LATEST = "latest"
TRAINING = "latest-training"
_LONGEST_NAME = 255


def new_folder(latest: str = LATEST, results: Path = RESULTS) -> Path:
    """A new folder name, made from the time. The folder does not exist yet."""
    stem = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime()) + latest.removeprefix(LATEST)
    folder, number = results / stem, 1
    while folder.exists():
        number += 1
        folder = results / f"{stem}-{number}"
    return folder


def lead_to(folder: Path, latest: str = LATEST) -> None:
    """Let results/latest lead to a folder of results. A real folder named `latest`, of version 0.1, is left alone."""
    link, beside = folder.parent / latest, folder.parent / f"{latest}.part"
    if link.is_dir() and not link.is_symlink():
        return
    with writing("The name of the newest results", link):
        beside.unlink(missing_ok=True)
        try:
            beside.symlink_to(folder.name, target_is_directory=True)
        except (OSError, NotImplementedError):  # Windows, for most users
            write_whole(link, folder.name + "\n")
        else:
            beside.replace(link)


def found(path: Path) -> Path:
    """Follow a link, or the file that stands for one, to its folder. Any other path is returned as it is."""
    if os.path.islink(path):  # noqa: PTH114  # where Path raises for a name that is too long
        return path.parent / path.readlink()
    if is_file(path) and path.stat().st_size <= _LONGEST_NAME:
        name = path.read_bytes().decode("utf-8", "replace").strip()
        if name and "\0" not in name and (path.parent / name).is_dir():
            return path.parent / name
    return path


def keep(what: str, files: Sequence[Path], fresh: bool) -> None:
    """Raise `OutputError` where one of the files is there; with `fresh`, say on standard error which are replaced."""
    there = [path for path in files if is_file(path)]
    if there and not fresh:
        raise OutputError(
            f"{what} {str(there[0])!r} is there; expected another place, or --fresh to replace it."
        )
    if there:
        print(f"Note: --fresh replaces {', '.join(map(str, there))}.", file=sys.stderr)
