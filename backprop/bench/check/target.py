"""The target: a user's function, found in a file or a module, and what is said where there is none.

Runs in the child, for the user's code runs here.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from backprop.check.failures import UserError, user_error
from backprop.check.network.callables import made
from backprop.check.script.source import read_cells, run_cell
from backprop.errors import CheckError, UnknownNameError, is_file, shown

EXPECTED = "file.py:function or package.module:function"


def load_target(target: str, sizes: Sequence[int]) -> Callable[..., Any]:
    """The function, or the method of `file.py:Class.method`; of a class an object is made, of the network's sizes.

    Raises `CheckError` or `UnknownNameError` where there is none, `UserError` where a file fails.
    """
    origin, _, name = target.rpartition(":")
    if not origin or not name:
        raise CheckError(f"The target is {target!r}; expected {EXPECTED}.")
    module = _module(origin)
    first, *inner = name.split(".")
    function = getattr(module, first, None)
    for attribute in inner:
        kept = inspect.getattr_static(function, attribute, None)
        if isinstance(function, type) and not isinstance(kept, staticmethod | classmethod):
            function = _object(function, sizes)
        function = getattr(function, attribute, None)
    if function is None:
        known = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        ]
        if not known:
            raise CheckError(f"There is no function {name!r} in {origin}, and no other; expected {EXPECTED}.")
        raise UnknownNameError(f"function in {origin}", name, known)
    if not callable(function):
        raise CheckError(f"{target} is a {type(function).__name__}; expected a function.")
    return function  # type: ignore[no-any-return]


def _module(origin: str) -> ModuleType:
    if origin.endswith(".ipynb"):
        return _from_notebook(origin)
    return _from_file(origin) if origin.endswith(".py") or is_file(origin) else _from_module(origin)


def _object(kind: type, sizes: Sequence[int]) -> Any:
    try:
        return made(kind, sizes)
    except CheckError:
        raise
    except BaseException as error:  # also SystemExit, and what else a user's code may raise
        raise user_error(error, f"No object of the class {kind.__name__} could be made") from error


def _from_notebook(origin: str) -> ModuleType:
    """The names that a notebook's code cells define, run in order in its folder, without lines for IPython alone."""
    path, cells = Path(origin), read_cells(origin)
    folder = path.resolve().parent
    module = ModuleType(f"_user_{path.stem}")
    sys.modules[module.__name__] = module  # dataclasses and pickle look their own module up
    sys.path.insert(0, str(folder))
    os.environ.setdefault("MPLBACKEND", "Agg")  # nobody looks at the figures
    os.chdir(folder)
    vars(module)["display"] = print
    for cell in cells:
        run_cell(cell, vars(module), "The notebook")
    return module


def _from_file(origin: str) -> ModuleType:
    path = Path(origin)
    if not is_file(origin):
        raise CheckError(f"There is no file {shown(origin)}; expected {EXPECTED}.")
    sys.path.insert(0, str(path.resolve().parent))  # a user's file may import what lies beside it
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise CheckError(f"The file {origin!r} is no Python file; expected {EXPECTED}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their own module up
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # also SystemExit, and what else a user's code may raise
        raise user_error(error, f"The file {origin!r} could not be run") from error
    return module


def _from_module(origin: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(origin)
    except BaseException as error:  # also SystemExit, and what else a user's code may raise
        if isinstance(error, ModuleNotFoundError) and error.name and origin.startswith(error.name):
            raise CheckError(f"There is no module {origin!r}; expected {EXPECTED}.") from error
        raise user_error(error, f"The module {origin!r} could not be imported") from error


def call_target(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, with whatever it raises turned into a `UserError`."""

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except UserError:
            raise
        except BaseException as error:  # also SystemExit, and what else a user's code may raise
            raise user_error(error, f"The function {name} failed", arguments[0]) from error

    return call
