"""One cluster of two worker processes over TCP on loopback for all tests of this folder."""

import pytest

from backprop.sharding.cluster import open_client


@pytest.fixture(scope="session")
def client():
    """Connected to workers that are restarted where they die."""
    made, opened = open_client(2)
    yield made
    opened.close()
