"""The structure of the code: imports point one way, `import backprop` loads little, concrete classes are final."""

import ast
import functools
import graphlib
import inspect
import os
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest
from over import over

import backprop
from backprop import Strategy, installed_strategies
from backprop.layers import Layer
from backprop.layers.costs import Costs
from backprop.layers.described import Described
from backprop.losses import Loss

PACKAGE = Path(backprop.__file__).parent
ROOT = PACKAGE.parent

FILES = sorted(path for path in PACKAGE.rglob("*.py"))
every_file = over(path=FILES)

FLOORS = (
    {"errors", "legend", "blas", "units", "user_cache"},
    {"arrays", "child_process", "finding"},
    {"batch", "broadcasting", "npz"},
    {"parameters", "layers", "data", "options"},
    {"losses", "mlp", "notation", "small_products", "outer_products", "sparse_factors"},
    {"zero_inputs"},
    {"network"},
    {"strategy", "after_linear", "layer_forms"},
    {"strategies", "peers"},
    {"sharding"},
    {"registry"},
    {"verify", "overflow"},
    {"check", "explain", "training", "api"},
    {"__init__", "testing"},
    {"bench"},
    {"__main__"},
)
"""From the ground up: a module may import from its own package and from the floors below it."""

FLOOR = {part: number for number, floor in enumerate(FLOORS) for part in floor}

NOT_AT_IMPORT = (
    "autograd",
    "backprop.bench",
    "dask",
    "distributed",
    "jax",
    "matplotlib",
    "memray",
    "pandas",
    "pooch",
    "pytest",
    "requests",
    "rich",
    "scipy.linalg",
    "scipy.sparse",
    "scipy.special",
    "torch",
    "typer",
)


@functools.cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def part_of(path):
    """The part of the package that a file belongs to: `layers` for backprop/layers/relu.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path):
    """Every module that a file imports anywhere in it, as a dotted name."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:  # `from backprop import strategies` is an import of a part
                is_part = node.module == "backprop" and alias.name in FLOOR
                yield f"backprop.{alias.name}" if is_part else node.module


@every_file
def test_every_file_has_a_floor(path):
    assert part_of(path) in FLOOR


@every_file
def test_imports_point_one_way(path):
    own = part_of(path)
    for module in imported_modules(path):
        root, _, rest = module.partition(".")
        assert root not in ("tests", "tables", "conftest"), module
        if root == "backprop":
            other = rest.split(".")[0] or "__init__"
            assert other == own or FLOOR[other] < FLOOR[own], f"{own} imports {module}"


MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
}


def running(node):
    """Every node below this one but for imports that serve type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from running(child)


def modules_that_run(path):
    """The modules of this package that a file imports when it runs, in its functions too."""
    for node in running(tree_of(path)):
        if isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            yield from whole or {node.module} & MODULES.keys()


def test_no_module_imports_itself_by_way_of_others():
    graphlib.TopologicalSorter(
        {name: set(modules_that_run(path)) for name, path in MODULES.items()}
    ).prepare()


def test_every_public_name_is_there():
    assert set(backprop.__all__) <= set(dir(backprop))
    for name in backprop.__all__:
        assert getattr(backprop, name) is not None


@pytest.mark.processes
def test_the_package_alone_loads_no_numpy_so_that_threads_can_be_fixed_first():
    code = "import sys, backprop.errors, backprop.bench; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


@pytest.mark.processes
def test_importing_the_library_imports_nothing_heavy():
    names = [name for name in backprop.__all__ if not name.startswith("check_")]
    code = f"import sys; from backprop import {', '.join(names)}"
    code += f"; print([name for name in {NOT_AT_IMPORT} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def subclasses(kind):
    """Every class below `kind` that this package defines."""
    for child in kind.__subclasses__():
        if child.__module__.startswith("backprop."):
            yield child
        yield from subclasses(child)


installed_strategies()  # imports every file of strategies
CLASSES = sorted(
    {child for kind in (Layer, Loss, Strategy) for child in subclasses(kind)}, key=lambda kind: kind.__name__
)
CONCRETE = [kind for kind in CLASSES if not inspect.isabstract(kind)]


def test_there_are_layers_losses_and_strategies_to_look_at():
    for kind in (Layer, Loss, Strategy):
        assert any(issubclass(child, kind) for child in CONCRETE)


@over(kind=CONCRETE)
def test_a_concrete_class_is_final(kind):
    assert getattr(kind, "__final__", False), "expected @final"
    assert not [child for child in kind.__subclasses__() if child.__module__.startswith("backprop")]


@over(kind=CLASSES)
def test_no_concrete_method_is_overridden(kind):
    for base in kind.__mro__[1:]:
        if not base.__module__.startswith("backprop"):
            continue
        for name, inherited in vars(base).items():
            is_code = inspect.isfunction(inherited) or isinstance(inherited, (property, classmethod))
            # Of what a layer or a loss says, most has a default; a dataclass writes its __init__.
            has_defaults = base in (Layer, Costs, Described, Loss)
            is_optional = has_defaults or (is_dataclass(base) and name.startswith("__"))
            if is_code and not is_optional and not getattr(inherited, "__isabstractmethod__", False):
                assert name not in vars(kind), f"{kind.__name__} overrides {base.__name__}.{name}"


OWN = [kind for kind in CONCRETE if ".peers." not in kind.__module__]  # of a peer, a library has a file


@over(kind=OWN)
def test_a_concrete_class_lies_in_a_file_of_its_own(kind):
    neighbours = [other for other in CONCRETE if other.__module__ == kind.__module__]
    assert neighbours == [kind]
