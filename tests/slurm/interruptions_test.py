"""Workers that are interrupted: the time limit's signal, preemption, requeue, scancel. They leave nothing half-written,
and the sweep ends with the bytes of one box."""

import os

import pytest

from .cluster import wait_until


@pytest.fixture(params=["RequeueExit", "scontrol requeue"])
def way_back(request, cluster):
    """How an element that left its task gets into the queue again."""
    cluster.set_requeue_exit(request.param == "RequeueExit")
    yield request.param
    cluster.set_requeue_exit(True)


def test_the_signal_before_the_time_limit(cluster, way_back, sweep):
    array, merge = sweep.submit(cluster)
    pid, _ = cluster.busy_process(array, 0, "sweep work")
    # As --signal=B:USR1@60 sends it: to the script.
    cluster.command("scancel", "--signal=USR1", "--batch", f"{array}_0")
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 5, "the worker's end")
    assert 0 not in sweep.parts() and not [name for name in sweep.leftovers() if name.startswith("0.")]
    sweep.assert_finished(cluster, merge)
    assert cluster.restarts(f"{array}_0") == [1] and cluster.restarts(f"{array}_1") == [0]
    log = sweep.log("work-0")
    assert "worker ended with 75" in log and "worker ended with 0" in log
    assert ("queued again" in log) == (way_back == "scontrol requeue")


def test_preemption(cluster, sweep):
    """A job of a more important partition takes the node: SIGTERM, and the element waits its turn."""
    array, merge = sweep.submit(cluster)
    _, node = cluster.busy_process(array, 0, "sweep work")
    urgent = cluster.submit("-p", "urgent", f"--nodelist={node}", "--exclusive", "--output=/dev/null", "--wrap=true")
    assert cluster.wait(urgent) == {str(urgent): "COMPLETED"}
    assert cluster.restarts(f"{array}_0") == [1]
    sweep.assert_finished(cluster, merge)
    assert "worker ended with 75" in sweep.log("work-0")


def test_requeue_by_hand(cluster, sweep):
    array, merge = sweep.submit(cluster)
    cluster.busy_process(array, 1, "sweep work")
    cluster.command("scontrol", "requeue", f"{array}_1")
    sweep.assert_finished(cluster, merge)
    assert cluster.restarts(f"{array}_1") == [1]


@pytest.mark.parametrize("way_back", ["scontrol requeue"], indirect=True)
def test_what_is_cancelled_stays_cancelled(cluster, way_back, sweep):
    """scancel sends SIGTERM as preemption does; an element must not then queue itself again."""
    array, merge = sweep.submit(cluster)
    cluster.busy_process(array, 0, "sweep work")
    cluster.command("scancel", f"{array}_0")
    assert cluster.wait(array)[f"{array}_0"] == "CANCELLED"
    assert cluster.wait(merge) == {str(merge): "FAILED"}
    assert "1 of 2 tasks are not done yet: 0" in sweep.log("merge")
    assert "queued again" not in sweep.log("work-0")
    assert set(sweep.parts()) == {1}
