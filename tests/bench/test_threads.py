"""Threads and cores: fixed before NumPy loads, checked after it has."""

import json
import os
from types import SimpleNamespace

import pytest
from command import ROOT, run_python
from tables import sentence

from backprop.bench import threads
from backprop.errors import ThreadError

FIXED_FIRST = """
import json, os, sys
from backprop.bench.threads import available_cores, check_threads, fix_threads
early = "numpy" in sys.modules
before = available_cores()
chosen = fix_threads(1)
late = "numpy" in sys.modules
import numpy
check_threads(1)
print(json.dumps([early, late, os.environ["OMP_NUM_THREADS"], before, chosen, available_cores()]))
"""


@pytest.mark.processes
def test_one_thread_is_fixed_on_one_core_before_numpy_loads():
    done = run_python(FIXED_FIRST)
    assert done.code == 0, done.err
    early, late, variable, before, chosen, after = json.loads(done.out)
    assert (early, late, variable) == (False, False, "1")
    if chosen:
        assert after == chosen == before[-1:]


@pytest.mark.processes
def test_libraries_that_are_loaded_already_are_limited_all_the_same():
    code = "import numpy, backprop.bench.threads as threads; threads.fix_threads(1); threads.check_threads(1)"
    assert run_python(code).code == 0


def test_a_benchmark_is_not_set_up_as_the_tests_are(pytestconfig, monkeypatch):
    """Pytest reads the tests' conftest.py before a benchmark, too: it would have taken JAX's optimizations away."""
    here = str(ROOT / "tests" / "conftest.py")
    conftest = next(
        one for one in pytestconfig.pluginmanager.get_plugins() if vars(one).get("__file__") == here
    )
    for benchmark_only in (False, True):
        monkeypatch.delenv("JAX_DISABLE_MOST_OPTIMIZATIONS", raising=False)
        conftest.pytest_configure(SimpleNamespace(getoption={"benchmark_only": benchmark_only}.get))
        assert ("JAX_DISABLE_MOST_OPTIMIZATIONS" in os.environ) != benchmark_only


@pytest.mark.parametrize("count", [0, -1, len(threads.available_cores()) + 1])
def test_a_count_that_the_machine_does_not_have_is_refused(count):
    with pytest.raises(ThreadError) as caught:
        threads.fix_threads(count)
    assert f"The thread count is {count}; expected 1 to" in sentence(caught.value)


def test_a_library_that_did_not_take_the_count_is_named(monkeypatch):
    pool = {"internal_api": "openblas", "num_threads": 7}
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [pool])
    threads.check_threads(7)
    with pytest.raises(ThreadError) as caught:
        threads.check_threads(1)
    assert sentence(caught.value) == "The library openblas uses 7 threads; expected 1."
