"""Where `backprop run` measures: on this machine, on a Dask cluster, or nowhere, as its options say."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backprop.bench.places.place import Place
    from backprop.bench.suites import Suite
    from backprop.data import Dataset


@contextlib.contextmanager
def chosen_place(
    suite: Suite,
    threads: int,
    dataset: Dataset,
    data: str,
    *,
    predict: bool,
    workers: int | None,
    cluster: str | None,
) -> Iterator[Place]:
    """The place, open until the run is over.

    Raises `SuiteError` where more than one is asked for, and what opening it raises.
    """
    from backprop.bench.suites import SuiteError

    asked = {"--predict": predict, "--workers": workers is not None, "--cluster": cluster is not None}
    named = [option for option, given in asked.items() if given]
    if len(named) > 1:
        raise SuiteError(f"{' and '.join(named)} are given; expected one of them.")
    if predict:
        from backprop.bench.places.predicted import Predicted

        yield Predicted(threads)
    elif named:
        from backprop.bench.cluster import open_cluster

        with open_cluster(suite, threads, dataset, data, workers=workers, address=cluster) as place:
            yield place
    else:
        from backprop.bench.places.conditions import Conditions
        from backprop.bench.places.here import Here
        from backprop.bench.threads import choose_cores

        conditions = Conditions.of(threads, choose_cores(threads), suite.schedule.turn_s)
        yield Here(threads, dataset, data, conditions)
