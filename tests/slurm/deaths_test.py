"""Workers, nodes and controllers that die. Nothing is lost, and the sweep ends with the bytes of one box."""

import os
import signal
import time

from .cluster import wait_until


def test_a_killed_worker_is_missed_and_made_up_for(cluster, sweep):
    array, merge = sweep.submit(cluster)
    pid, _ = cluster.busy_process(array, 1, "sweep work")
    os.kill(pid, signal.SIGKILL)
    states = cluster.wait(array)
    assert states[f"{array}_1"] == "FAILED"
    assert cluster.wait(merge) == {str(merge): "FAILED"}
    assert "1 of 2 tasks are not done yet: 1" in sweep.log("merge")
    array, merge = sweep.submit(cluster)
    sweep.assert_finished(cluster, merge)


def test_a_node_dies(cluster, sweep):
    array, merge = sweep.submit(cluster, "--exclusive")
    _, node = cluster.busy_process(array, 0, "sweep work")
    cluster.kill(node)
    sweep.assert_finished(cluster, merge)
    assert cluster.restarts(f"{array}_0") == [1]
    assert cluster.job(f"{array}_0")[f"{array}_0"]["NodeList"] != node


def test_the_controller_is_restarted_while_tasks_run(cluster, sweep):
    array, merge = sweep.submit(cluster)
    cluster.busy_process(array, 0, "sweep work")
    cluster.stop_controller()
    cluster.start_controller()
    sweep.assert_finished(cluster, merge)


def test_the_controller_is_killed_right_after_a_submit(cluster, sweep):
    """What it did not save yet is forgotten: jobs may vanish, or run a second time. Submitting again makes it whole."""
    sweep.submit(cluster)
    time.sleep(0.7)
    cluster.kill("slurmctld")
    cluster.start_controller()
    wait_until(lambda: not cluster.command("squeue", "-h").stdout, 60, "an empty queue")
    array, merge = sweep.submit(cluster)
    sweep.assert_finished(cluster, merge)
