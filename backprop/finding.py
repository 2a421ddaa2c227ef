"""Finding what has a name: in the files of a package, by an entry point, or in a file of the user.

relu, short-form        what a file of this package offers
my-layer                an entry point of another package: backprop.strategies, backprop.layers, backprop.losses
path/to/file.py:Class   a class in a file
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Protocol, TypeVar

from backprop.errors import BackpropError, UnknownNameError, is_file, shown


class Named(Protocol):
    """A layer or a loss."""

    name: ClassVar[str]


T = TypeVar("T", bound=Named)


class LoadError(BackpropError):
    """A file, class or entry point that cannot be loaded, or does not give what it should."""


def modules(package: str, path: list[str]) -> Iterator[ModuleType]:
    """Every module of a package, imported, in the order of the names."""
    for module in pkgutil.iter_modules(path, f"{package}."):
        yield importlib.import_module(module.name)


def classes(package: str, path: list[str], base: type[T]) -> dict[str, type[T]]:
    """By name, the concrete classes below `base` that the files of a package define."""
    return {
        value.name: value
        for module in modules(package, path)
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    }


def offered(group: str, expected: str) -> Iterator[tuple[str, Any]]:
    """What the entry points of the group load, each with the words that say where it is from."""
    from importlib.metadata import entry_points  # a third of what NumPy takes to load, and seldom needed

    for point in entry_points(group=group):
        origin = f"The entry point {point.name} = {point.value}"
        try:
            yield origin, point.load()
        except Exception as error:
            raise LoadError(f"{origin} could not be loaded: {said(error)}; expected {expected}.") from error


def find_class(kind: str, base: type[T], name: str, own: Mapping[str, type[T]], group: str) -> type[T]:
    """The class of a layer or loss by name: of this package, of an entry point of the group, or in a file.

    Raises `UnknownNameError` for a name that is not known, `LoadError` where the class cannot be loaded, is of
    another kind or is not named.
    """
    expected = f"a {base.__name__} class"
    name = str(name)
    if ":" in name:
        return _checked(class_in_file(name, expected), base, name)
    check_names_class(kind, name)
    if name in own:
        return own[name]
    outside = {found.name: found for found in _outside(base, group, expected)}
    if name not in outside:
        raise UnknownNameError(kind, name, {**outside, **own})
    return outside[name]


def _outside(base: type[T], group: str, expected: str) -> Iterator[type[T]]:
    for origin, found in offered(group, expected):
        yield _checked(found, base, origin)


def check_names_class(kind: str, name: str) -> None:
    """Raise `LoadError` for the name of a file without that of a class in it."""
    if name.endswith(".py"):
        raise LoadError(f"The {kind} is {shown(name)}, a file; expected a class in it as well: {name}:Class.")


def class_in_file(target: str, expected: str) -> Any:
    """What `file.py:Class` names; it can be called. Raises `LoadError` or `UnknownNameError`."""
    path, _, class_name = target.rpartition(":")
    if not is_file(path):
        raise LoadError(f"There is no file {shown(path)}; expected file.py:Class.")
    module = _load(Path(path))
    found = getattr(module, class_name, None)
    if found is None:
        known = [name for name, value in vars(module).items() if inspect.isclass(value)]
        raise UnknownNameError(f"class in {path}", class_name, known)
    if not callable(found):
        raise LoadError(f"{target} is a {type(found).__name__}; expected {expected}.")
    return found


def said(error: BaseException) -> str:
    """The error's kind and message on one line, without a full stop."""
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")


def _checked(found: Any, base: type[T], origin: str) -> type[T]:
    if not inspect.isclass(found) or not issubclass(found, base):
        what = getattr(found, "__name__", type(found).__name__)
        raise LoadError(
            f"{origin} gives {what}; expected a class of backprop's {base.__name__} with all its forms."
        )
    if missing := _left_out(found):
        raise LoadError(
            f"{origin} leaves out {', '.join(missing)}; expected a {base.__name__} with all its forms and figures."
        )
    return found


def _left_out(found: type) -> list[str]:
    """The methods and class variables that the classes above ask for, and that this class does not have."""
    asked = {
        name: None
        for one in reversed(found.__mro__)
        for name, kind in inspect.get_annotations(one).items()
        if str(kind).startswith("ClassVar")
    }
    return [
        *sorted(getattr(found, "__abstractmethods__", ())),
        *(one for one in asked if not hasattr(found, one)),
    ]


def _load(path: Path) -> ModuleType:
    name = f"_backprop_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"The file {str(path)!r} is no Python file; expected file.py:Class.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise LoadError(
            f"The file {str(path)!r} could not be run: {said(error)}; expected file.py:Class."
        ) from error
    return module
