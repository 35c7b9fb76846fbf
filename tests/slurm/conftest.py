"""One cluster, and two sweeps on it: one with many short tasks, one with few that can be hit in the middle."""

import pytest

from .cluster import Cluster, missing_programs
from .sweeps import Sweep


@pytest.fixture(scope="session")
def running_cluster():
    missing = missing_programs()
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (tools/setup.sh --slurm)")
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(running_cluster):
    """The cluster with four idle nodes and nothing in the queue."""
    running_cluster.settle()
    yield running_cluster
    running_cluster.settle()


@pytest.fixture(scope="session")
def short_sweep(tmp_path_factory):
    """Nine tasks of a moment each."""
    return Sweep(tmp_path_factory.mktemp("short"), layers=9, scale="1/32", probe_tokens=16)


@pytest.fixture(scope="session")
def long_sweep(tmp_path_factory):
    """Two tasks of two seconds of computing each."""
    return Sweep(tmp_path_factory.mktemp("long"), layers=2, scale="1/8", probe_tokens=2048, gammas="lin:0.05:0.4:10")


@pytest.fixture
def sweep(cluster, long_sweep, tmp_path):
    """A run of the long sweep that nobody has worked on."""
    return long_sweep.plan(tmp_path / "run")
