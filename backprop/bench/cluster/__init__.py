"""Measure the groups of a suite on the hosts of a Dask cluster, one group at a time on each host.

connection.py    connect to a cluster on this machine, or to a scheduler's address
host.py          what a worker says of itself, its versions and its host; runs on the worker
task.py          one group; runs on the worker
coordinator.py   the workers by host; groups -> workers -> records; another worker measures the group of a lost one
place.py         all of it as the place of a run
"""

from backprop.bench.cluster.connection import ClusterError
from backprop.bench.cluster.place import open_cluster

__all__ = ["ClusterError", "open_cluster"]
