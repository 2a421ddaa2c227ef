"""A cluster that nobody handed in: started when it is asked for by name, and gone with its plan or its process."""

import sys

import numpy as np
import psutil
import pytest
from command import backprop, run_python, start
from processes import marked

from backprop import find_strategy, installed_strategies
from backprop.errors import UnknownNameError
from backprop.registry import known_peers, select_strategies
from backprop.sharding.cluster import open_client

pytestmark = pytest.mark.processes

PROGRAM = """
import backprop, numpy as np, {more}
print("once", flush=True)
network = backprop.Network.mlp(4, 3, 2)
params = network.init(np.random.default_rng(0))
x, y = np.ones((5, 4)), np.array([0, 1, 0, 1, 1])
{body}
"""

pytest.importorskip("distributed")


def test_it_joins_no_run_unasked():
    assert not any("sharded" in name for name in (*installed_strategies(), *known_peers()))
    assert not any("sharded" in strategy.name for strategy in select_strategies([], peers=True))
    done = run_python(
        "import sys, backprop; backprop.installed_strategies(); backprop.find_strategy('torch-grad');"
        "print('backprop.sharding' in sys.modules, 'distributed' in sys.modules)"
    )
    assert done.out == "False False\n"


def test_it_is_found_by_its_name_with_any_inner_strategy():
    assert find_strategy("sharded").name == "sharded"
    assert find_strategy("sharded-batched-jacobian").name == "sharded-batched-jacobian"
    assert find_strategy("sharded-short-form").name == "sharded"
    with pytest.raises(UnknownNameError, match="did you mean 'sharded-short-form'"):
        find_strategy("sharded-shortform")
    with pytest.raises(UnknownNameError, match="did you mean 'sharded'"):
        find_strategy("shraded")


def test_a_plain_program_is_run_once_and_leaves_nobody_behind(tmp_path):
    body = "print(backprop.gradient(network, params, x, y, strategy='sharded').gradient.vector.sum())"
    (tmp_path / "program.py").write_text(PROGRAM.format(more="sys", body=body), encoding="utf-8")
    process = start([sys.executable, "program.py"], tmp_path, BACKPROP_TEST=str(tmp_path))
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    once, total = out.split()
    assert (once, np.isfinite(float(total))) == ("once", True)
    assert not marked(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found by their environment")
def test_a_program_that_is_killed_takes_its_workers_with_it(tmp_path):
    body = """
plan = backprop.find_strategy('sharded').prepare(network, 5, params.dtype)
print('ready', flush=True)
time.sleep(600)
"""
    (tmp_path / "program.py").write_text(PROGRAM.format(more="time", body=body), encoding="utf-8")
    process = start([sys.executable, "program.py"], tmp_path, BACKPROP_TEST=str(tmp_path))
    assert process.stdout.readline() == "once\n"
    assert process.stdout.readline() == "ready\n"
    started = marked(tmp_path)
    assert len(started) >= 4  # the program, the cluster, two workers
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(started, timeout=60)
    assert alive == []


def test_verify_compares_it_where_it_is_named(tmp_path):
    """On one cluster, which Dask's configuration names: one of its own would be started for every plan."""
    import dask

    client, opened = open_client(2)
    with opened, dask.config.set({"scheduler-address": client.scheduler.address}):
        names = ("--strategy", "sharded", "--strategy", "short-form")
        done = backprop("verify", *names, "--scenario", "toy", "--json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert '"strategy": "sharded"' in done.out
