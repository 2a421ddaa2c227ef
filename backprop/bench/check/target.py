"""The target: a user's function, found in a file or a module, and what is said where there is none.

Runs in the child, for the user's code runs here.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from backprop.bench.check.failures import UserError, user_error
from backprop.errors import CheckError, UnknownNameError, is_file, shown

EXPECTED = "file.py:function or package.module:function"
ARGUMENTS = ("params", "inputs", "labels")


def load_target(target: str) -> Callable[..., Any]:
    """The function; raises `CheckError` or `UnknownNameError` where there is none, `UserError` where a file fails."""
    origin, _, name = target.rpartition(":")
    if not origin or not name:
        raise CheckError(f"The target is {target!r}; expected {EXPECTED}.")
    module = _from_file(origin) if origin.endswith(".py") or is_file(origin) else _from_module(origin)
    function = getattr(module, name, None)
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
    _check_arguments(function, name)
    return function  # type: ignore[no-any-return]


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


def _check_arguments(function: Callable[..., Any], name: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # built in C: the call itself will tell
    try:
        signature.bind(*ARGUMENTS)
    except TypeError:
        taken = "" if str(signature) == "()" else str(signature)[1:-1]
        raise CheckError(
            f"The function {name} takes ({taken}); expected three arguments, ({', '.join(ARGUMENTS)})."
        ) from None


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
