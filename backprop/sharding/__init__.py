"""The data-parallel gradient: a batch split over Dask workers, each with any strategy, and the mean put together.

    L = Σₖ (nₖ/n) Lₖ        g = Σₖ (nₖ/n) gₖ        nₖ samples in shard k, Σₖ nₖ = n

Exact, because the loss is the mean over n. It joins no run unasked: it starts processes. It is asked for by name,
`sharded` or `sharded-<inner strategy>`, or made with a client of a cluster of yours: `Sharded(client=client)`.

split.py      a batch size and shares -> sizes of the shards
remote.py     the gradient of one shard; runs on the worker
combine.py    the parts -> the mean
cluster.py    the cluster that is used where none is handed in; serve.py is its process
sharded.py    all of it as a strategy
"""

from backprop.sharding.sharded import Sharded

__all__ = ["STRATEGIES", "Sharded"]

STRATEGIES = (Sharded(),)
