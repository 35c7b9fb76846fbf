"""Sweeps as job arrays: the results of one box, whatever the elements, and what a cancelled or doubled element does."""

import json
import os
from pathlib import Path

from e2e.program import DONE, INCOMPLETE, SOURCE, program_path, run

BUILD = Path(os.environ.get("CONTOURFUSE_BUILD_DIR", SOURCE / "build/release"))
FAKE = BUILD / "tests/backend/cuda/fake_module/libfake_cuda_module.so"


def all_completed(states):
    return set(states.values()) == {"COMPLETED"}


def test_an_array_gives_what_one_box_gives(cluster, short_sweep, tmp_path):
    planned = short_sweep.plan(tmp_path / "run")
    array, merge = planned.submit(cluster)
    assert all_completed(cluster.wait(merge))
    states = cluster.states(array)
    assert len(states) == short_sweep.layers >= 8 and all_completed(states)
    assert planned.results() == planned.expected and len(planned.expected) == 2
    assert (planned.folder / "report.html").exists() and not planned.leftovers()

    # Again, with fewer elements and flags that go to the workers alone: nothing is done again.
    done = planned.parts()
    assert set(done) == set(range(short_sweep.layers))
    (planned.folder / "results.csv").unlink()
    array, merge = planned.submit(cluster, "--elements", 2, "-p", "urgent", "--cpus-per-task=2")
    assert all_completed(cluster.wait(merge))
    elements = cluster.job(array)
    assert len(elements) == 2 and {(e["Partition"], e["CPUs/Task"]) for e in elements.values()} == {("urgent", "2")}
    assert [(e["Partition"], e["CPUs/Task"]) for e in cluster.job(merge).values()] == [("urgent", "1")]
    assert planned.parts() == done and planned.results() == planned.expected


def test_elements_that_start_late_and_step(cluster, short_sweep, tmp_path):
    """Twelve elements 3, 5, … 25 for nine tasks: each task once, and the last three have nothing to do."""
    planned = short_sweep.plan(tmp_path / "run")
    array = planned.element(cluster, "--array=3-25:2")
    states = cluster.wait(array)
    assert len(states) == 12 and all_completed(states)
    assert set(planned.parts()) == set(range(9))
    run("sweep", "merge", planned.folder, expect=DONE)
    assert planned.results() == planned.expected


def test_a_cancelled_element_is_missed_and_made_up_for(cluster, short_sweep, tmp_path):
    planned = short_sweep.plan(tmp_path / "run")
    # Held, so that it is certain which element has not started when it is cancelled.
    array, merge = planned.submit(cluster, "--elements", 3, "--hold")
    cluster.command("scancel", f"{array}_1")
    cluster.command("scontrol", "release", array)
    # Slurm forgets an element that is cancelled before it started.
    assert cluster.wait(array) == {f"{array}_0": "COMPLETED", f"{array}_2": "COMPLETED"}
    # Not the program's 75, which a cluster with RequeueExit=75 would repeat for ever.
    assert cluster.wait(merge) == {str(merge): "FAILED"}
    assert cluster.job(merge)[str(merge)]["ExitCode"] == "1:0"
    assert "3 of 9 tasks are not done yet: 1, 4, 7" in planned.log("merge")
    assert not planned.results() and not (planned.folder / "report.html").exists()
    assert run("sweep", "merge", planned.folder).code == INCOMPLETE

    done = planned.parts()
    array, merge = planned.submit(cluster, "--elements", 3)
    assert all_completed(cluster.wait(merge) | cluster.states(array))
    assert planned.results() == planned.expected
    assert {task: planned.parts()[task] for task in done} == done


def test_tasks_done_twice_at_once(cluster, sweep):
    """Two arrays on one run folder do the same tasks at the same time; the second publisher finds its own bytes."""
    arrays = [sweep.element(cluster, "--array=0-1", "--hold") for _ in range(2)]
    for array in arrays:
        cluster.command("scontrol", "release", array)
    for array in arrays:
        cluster.busy_process(array, 0, "sweep work")
    assert not sweep.parts()
    assert all_completed(cluster.wait(arrays[0]) | cluster.wait(arrays[1]))
    assert set(sweep.parts()) == {0, 1} and not sweep.leftovers()
    run("sweep", "merge", sweep.folder, expect=DONE)
    assert sweep.results() == sweep.expected


def test_every_element_sees_the_gpu_it_was_given(cluster, tmp_path):
    """Devices as Slurm assigns them, by a module that has one device for each entry of CUDA_VISIBLE_DEVICES."""
    environment = {"CONTOURFUSE_CUDA_MODULE": str(FAKE), "FAKE_CUDA_DEVICES": "visible"}

    def seen(gpus):
        """(node, GPUs) of four elements that run at the same time."""
        folder = tmp_path / f"seen-{gpus}"
        folder.mkdir()
        script = (f"cd '{folder}'; touch $SLURM_ARRAY_TASK_ID.up; until [ -e 0.up -a -e 1.up -a -e 2.up -a -e 3.up ]; do sleep 0.1; done; "
                  f"exec '{program_path()}' devices --json >$SLURM_ARRAY_TASK_ID.json")
        array = cluster.submit("--array=0-3", f"--gres=gpu:{gpus}", "--output=/dev/null", f"--wrap={script}", environment=environment)
        assert all_completed(cluster.wait(array))
        for name, fields in cluster.job(array).items():
            listed = json.loads((folder / f"{fields['ArrayTaskId']}.json").read_text())["devices"]
            yield fields["NodeList"], tuple(d["description"].split(",")[0] for d in listed if d["backend"] == "cuda")

    first, second = "Fake GPU 0", "Fake GPU 1"
    one_each = list(seen(1))
    assert len(set(one_each)) == 4 and {gpus for _, gpus in one_each} == {(first,), (second,)}
    assert sorted(seen(2)) == [(node, (first, second)) for node in ("n0", "n1", "n2", "n3")]


def test_a_worker_uses_the_gpu_it_was_given(cluster, short_sweep, tmp_path):
    """The fake GPU has no memory: an element that was given one says so, and does not compute on the CPU instead."""
    planned = short_sweep.plan(tmp_path / "run")
    environment = {"CONTOURFUSE_CUDA_MODULE": str(FAKE), "FAKE_CUDA_DEVICES": "visible"}
    array, merge = planned.submit(cluster, "--gres=gpu:1", "--elements", 1, environment=environment)
    assert cluster.wait(array) == {f"{array}_0": "FAILED"}
    assert "cuda:0, Fake GPU" in planned.log("work-0") and not planned.parts()
    assert cluster.wait(merge) == {str(merge): "FAILED"} and "GPU" not in planned.log("merge")
