"""Exchange: the code of the user's functions for the same code with probes, and back.

The functions of the user's files keep their identity. So methods, closures and functions that lie in containers have
probes too, and no statement outside a function is run again.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import inspect
import linecache
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from backprop.check.lines.events import probes
from backprop.check.lines.probes import instrument
from backprop.check.lines.sites import Site
from backprop.errors import CheckError


class NoSourceError(CheckError):
    """A function into which no probes can be put."""


Instrument = Callable[[ast.Module, str, str], tuple[ast.Module, dict[int, Site]]]
"""From the tree of a source, its path, and all of the code that it is a part of, such as the other cells of a
notebook, to the tree with probes put in, and the sites of these."""
Exchange = Callable[[Instrument], contextlib.AbstractContextManager[Mapping[int, Site]]]
"""Runs the code of a program, while it lasts, as an instrument changes it; gives the sites of the probes."""


@contextlib.contextmanager
def instrumented(
    functions: Sequence[Callable[..., Any]],
    also: Sequence[Callable[..., Any]] = (),
    instrument: Instrument = instrument,
) -> Iterator[dict[int, Site]]:
    """While it lasts, functions have probes, and so have all functions of their files that Python can parse.

    Gives the sites of the probes. also: further functions, which are left as they are where no probe can be put in.
    instrument: puts the probes into a source.
    Raises `NoSourceError` where one is not written in Python, or its source is not what runs.
    """
    plain = [_plain(function) for function in functions]
    wanted = list(plain)
    for function in also:
        with contextlib.suppress(NoSourceError):
            wanted.append(_plain(function))
    sites, old, new = dict[int, Site](), dict[Key, set[bytes]](), dict[Key, CodeType]()
    own = [each for one in wanted for each in _own_functions(one)]
    # A cell of a notebook counts as a file of its own.
    paths = dict.fromkeys(each.__code__.co_filename for each in own)
    for path in paths:
        with contextlib.suppress(SyntaxError):  # such as a notebook's cell with a magic command
            found = _with_probes("".join(linecache.getlines(path)), path, instrument)
            old, new, sites = old | found[0], new | found[1], sites | found[2]
    for one in plain:
        if _key(one.__code__) not in new:
            raise NoSourceError(
                f"The source of {one.__qualname__} was not found; expected a function in a file or in a "
                "notebook's cell, to look for the wrong line."
            )
        if not _is_what_runs(one, old):
            raise NoSourceError(
                f"The source of {one.__qualname__} is not what runs; expected a file that has not been changed "
                "since it was loaded."
            )
    exchanged: list[tuple[FunctionType, CodeType]] = []
    try:
        # Closures and functions in containers are found as well; those that are frozen are not among the objects.
        for each in [*own, *(_kept or _functions())]:
            if each.__code__.co_filename in paths and _key(each.__code__) in new:
                code = new[_key(each.__code__)]
                is_same = each.__code__.co_freevars == code.co_freevars
                if each.__code__ is not code and is_same and _is_what_runs(each, old):
                    exchanged.append((each, each.__code__))
                    each.__code__ = code
        with probes(None):  # of functions that something else calls meanwhile
            yield sites
    finally:
        for each, code in exchanged:
            each.__code__ = code


_kept: list[FunctionType] = []


@contextlib.contextmanager
def functions_kept() -> Iterator[None]:
    """While it lasts, the functions of this process are those that there are now: looking for all takes a while."""
    found = [] if _kept else _functions()
    _kept.extend(found)
    try:
        yield
    finally:
        if found:
            _kept.clear()


def _functions() -> list[FunctionType]:
    return [each for each in gc.get_objects() if type(each) is FunctionType]


def _is_what_runs(function: FunctionType, codes: Mapping[Key, set[bytes]]) -> bool:
    """Whether the source of a function is that of its code; pytest writes the assertions of test files anew."""
    is_same = function.__code__.co_code in codes[_key(function.__code__)]
    loader = type(function.__globals__.get("__loader__")).__name__
    return is_same or (loader == "AssertionRewritingHook" and function.__name__ != "<lambda>")


Key = tuple[str, str, int, int]
"""A function's code: its file, its name, its first line; and of a lambda its column, as a line may hold several."""


@functools.lru_cache(maxsize=16)
def _with_probes(
    source: str, path: str, instrument: Instrument
) -> tuple[dict[Key, set[bytes]], dict[Key, CodeType], dict[int, Site]]:
    """The code of a file's functions, the same with probes, and the sites of these."""
    tree, sites = instrument(ast.parse(source), path, source)
    return _as_written(source, path), _codes(compile(tree, path, "exec")), sites


@functools.lru_cache(maxsize=16)
def _as_written(source: str, path: str) -> dict[Key, set[bytes]]:
    """The code of a file's functions.

    A notebook compiles each statement of a cell by itself, which gives other code to what its imports name.
    """
    codes: list[str | ast.Module] = [source]
    codes += [ast.Module([each], []) for each in ast.parse(source, path).body]
    found: dict[Key, set[bytes]] = {}
    for code in codes:
        for key, own in _codes(compile(code, path, "exec")).items():
            found.setdefault(key, set()).add(own.co_code)
    return found


def _plain(function: Callable[..., Any]) -> FunctionType:
    """The function of Python that is called."""
    found: Any = inspect.unwrap(function)
    while isinstance(found, functools.partial):
        found = inspect.unwrap(found.func)
    if isinstance(found, MethodType):
        found = found.__func__
    if not isinstance(found, FunctionType):  # an object that can be called
        found = inspect.getattr_static(type(found), "__call__", None)
    if not isinstance(found, FunctionType):
        name = getattr(function, "__name__", type(function).__name__)
        raise NoSourceError(
            f"{name} is compiled; expected a function of Python, to look for the wrong line inside it."
        )
    return found


def _own_functions(plain: FunctionType) -> list[FunctionType]:
    """A function, and all others of its module, of its classes, and of the modules beside it that it imports."""
    folder = Path(plain.__code__.co_filename).parent
    found, modules, names = [plain], {str(plain.__module__)}, [plain.__globals__]
    for known in names:  # it grows
        for value in list(known.values()):
            module = str(getattr(value, "__module__" if callable(value) else "__name__", ""))
            if module not in modules and _lies_in(folder, sys.modules.get(module)):
                modules.add(module)
                names.append(vars(sys.modules[module]))
            for each in list(vars(value).values()) if isinstance(value, type) else [value]:
                own = inspect.unwrap(getattr(each, "__func__", each)) if callable(each) else each
                if isinstance(own, FunctionType) and own.__module__ in modules:
                    found.append(own)
    return found


def _lies_in(folder: Path, module: ModuleType | None) -> bool:
    """Whether the file of a module lies in a folder, and is no installed package."""
    path = Path(getattr(module, "__file__", None) or "")
    return folder.is_absolute() and path.parent == folder and "site-packages" not in path.parts


def _key(code: CodeType) -> Key:
    columns = [first for _, _, first, _ in code.co_positions() if first] if code.co_name == "<lambda>" else []
    return code.co_filename, code.co_qualname, code.co_firstlineno, min(columns, default=0)


def _codes(code: CodeType) -> dict[Key, CodeType]:
    """The code of every function in compiled code."""
    found = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found[_key(constant)] = constant
            found |= _codes(constant)
    return found
