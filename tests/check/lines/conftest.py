"""A program written to a file, and what the finder says of it."""

import importlib.util

import numpy as np
import pytest

from backprop.check.lines import find_lines


@pytest.fixture
def lines_of(tmp_path):
    """The wrong lines of a source with `step(params, X, y)`; params: W (4, 3), b (3,), v (3,), X (5, 4), y (5,)."""

    def find(source):
        path = tmp_path / "mine.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("mine", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        rng = np.random.default_rng(0)
        point = {"W": rng.standard_normal((4, 3)), "b": rng.standard_normal(3), "v": rng.standard_normal(3)}
        return find_lines(module.step, point, rng.standard_normal((5, 4)), rng.standard_normal(5))

    return find
