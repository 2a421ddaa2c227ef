"""The data-parallel gradient: a batch split over Dask workers, each with any strategy, and the mean put together.

    L = Σₖ (nₖ/n) Lₖ        g = Σₖ (nₖ/n) gₖ        nₖ samples in shard k, Σₖ nₖ = n

The result is exact, because the loss is the mean over n. The strategy starts processes, so it joins no run unasked:
ask for it by name, `sharded` or `sharded-<inner strategy>`, or give it the client of your cluster,
`Sharded(client=client)`.

cluster.py    the cluster that is used where none is handed in; serve.py is its process
sharded.py    the strategy: the sizes of the shards, the gradient of one on its worker, and the mean of all
"""

from backprop.sharding.sharded import Sharded

__all__ = ["STRATEGIES", "Sharded"]

STRATEGIES = (Sharded(),)
