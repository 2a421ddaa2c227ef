"""Measure the groups of a suite on the hosts of a Dask cluster, one group at a time on each host.

connection.py    connect to a cluster on this machine, or to a scheduler's address
host.py          what runs on a worker: the report of its versions and host, and the measuring of one group
coordinator.py   hands groups to workers and collects the records; the group of a lost worker goes to another
place.py         all of it as the place of a run
"""

from backprop.bench.cluster.connection import ClusterError
from backprop.bench.cluster.place import open_cluster

__all__ = ["ClusterError", "open_cluster"]
