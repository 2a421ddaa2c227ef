"""Packages that only one form of output needs, and the extra that brings them."""

from __future__ import annotations

import importlib
from typing import Any

from backprop.errors import BackpropError, install_line


class MissingPackageError(BackpropError, ImportError):
    """A package that is not installed; the message names the extra that brings it."""


def need(package: str, extra: str) -> Any:
    """The imported package; raises `MissingPackageError` where it is not installed."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingPackageError(
            f"The package {package} is not installed; expected what `{install_line(extra)}` in the project's "
            "folder brings."
        ) from error
