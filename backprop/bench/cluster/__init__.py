"""Scale-out: the groups of a suite on the hosts of a Dask cluster, one at a time on each.

connection.py    to a cluster of this machine's, or to a scheduler's address
preload.py       what a worker of this machine's own does first
versions.py      what must be the same on every worker
host.py          what a worker says of itself and its host; runs on the worker
task.py          one group; runs on the worker
crew.py          the workers that may be used, by host
coordinator.py   groups -> workers -> records; a lost worker's group is given to another
place.py         all of it as the place of a run
"""

from backprop.bench.cluster.connection import ClusterError
from backprop.bench.cluster.place import open_cluster

__all__ = ["ClusterError", "open_cluster"]
