"""Dask over TLS: the address `tls://` and Dask's own configuration are all that it takes."""

import shutil
import subprocess

import pytest
from tables import sentence

pytest.importorskip("distributed")

import dask
from distributed import LocalCluster, Security

from backprop.bench.cluster.connection import ClusterError, connected


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Dask's configuration with a certificate that was made now and signs itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {cert}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    sides = {
        f"distributed.comm.tls.{side}.{what}": str(path)
        for side in ("client", "scheduler", "worker")
        for what, path in (("key", key), ("cert", cert))
    }
    required = {"distributed.comm.require-encryption": True}
    return sides | required | {"distributed.comm.tls.ca-file": str(cert)}


@pytest.mark.processes
def test_a_scheduler_over_tls_is_reached_by_its_address(certificate):
    with (
        dask.config.set(certificate),
        LocalCluster(
            n_workers=1, processes=False, protocol="tls://", security=Security(), dashboard_address=None
        ) as cluster,
    ):
        assert cluster.scheduler_address.startswith("tls://")
        with connected(None, cluster.scheduler_address) as client:
            assert client.submit(sum, [1, 2]).result(timeout=60) == 3


@pytest.mark.processes
def test_an_address_without_tls_is_refused_where_encryption_is_required(certificate):
    with (
        dask.config.set(certificate),
        pytest.raises(ClusterError, match="encryption required") as caught,
        connected(None, "tcp://127.0.0.1:9"),
    ):
        pass
    sentence(caught.value)


def test_an_address_of_tls_without_a_certificate_is_one_sentence():
    with pytest.raises(ClusterError) as caught, connected(None, "tls://127.0.0.1:9"):
        pass
    sentence(caught.value)


@pytest.mark.processes
def test_a_cluster_of_this_machine_is_encrypted_where_that_is_required(certificate):
    with dask.config.set(certificate), connected(1, None) as client:
        assert client.scheduler.address.startswith("tls://")
        assert client.submit(sum, [1, 2]).result(timeout=60) == 3
