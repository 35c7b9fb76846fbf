"""A sweep in tasks: the same bytes in whatever order, and what was damaged or has changed is refused."""

import json
import os
import shutil

import numpy as np
import pytest
from safetensors.numpy import save_file

from oracle.tensors import list_tensors, read_header

from .checkpoints import random_deltas, write_foreign_delta
from .program import BAD_INPUT, DONE, INCOMPLETE, USAGE, refusal, run, run_json, snapshot
from .sweeping import parts, plan, results, sweep, sweep_words, work


def test_tasks_and_a_merge_make_the_same_bytes(tmp_path, base, delta, done):
    plan(base, delta, tmp_path / "run")
    for task in (4, 0, 5, 2, 1, 3):
        work(tmp_path / "run", "--task", task)
        # A second time nothing is done.
        before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "parts").iterdir()}
        work(tmp_path / "run", "--task", task)
        assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "parts").iterdir()} == before
    assert parts(tmp_path / "run") == parts(done)
    assert (tmp_path / "run" / "plan.json").read_bytes() == (done / "plan.json").read_bytes()
    for _ in range(2):
        run_json("sweep", "merge", tmp_path / "run")
        assert results(tmp_path / "run") == results(done)


@pytest.mark.parametrize("threads", [1, 3])
def test_any_number_of_threads_makes_the_same_bytes(tmp_path, base, delta, done, threads):
    sweep(base, delta, tmp_path / "run", "--probe-tokens", 3, "--threads", threads)
    assert parts(tmp_path / "run") == parts(done) and results(tmp_path / "run") == results(done)


def test_tasks_from_a_job_array(tmp_path, base, delta, done):
    plan(base, delta, tmp_path / "run")
    # Six tasks, four elements numbered 10, 13, 16, 19; the last has one task, as has the third.
    for element in (19, 10, 16, 13):
        slurm = {"SLURM_ARRAY_TASK_ID": element, "SLURM_ARRAY_TASK_COUNT": 4, "SLURM_ARRAY_TASK_MIN": 10, "SLURM_ARRAY_TASK_STEP": 3}
        work(tmp_path / "run", "--task-from-env", environment={k: str(v) for k, v in slurm.items()})
        if element == 10:
            assert set(parts(tmp_path / "run")) == {"0.json", "4.json", "3.json"}
    run_json("sweep", "merge", tmp_path / "run")
    assert results(tmp_path / "run") == results(done)
    beyond = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "9", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_STEP": "1"}
    work(tmp_path / "run", "--task-from-env", environment=beyond)


def test_layers_of_a_task_do_not_change_the_results(tmp_path, base, delta, done):
    plan(base, delta, tmp_path / "run", "--layers-per-task", 4)
    for task in (0, 1):
        work(tmp_path / "run", "--task", task)
    assert len(parts(tmp_path / "run")) == 2
    run_json("sweep", "merge", tmp_path / "run")
    assert results(tmp_path / "run") == results(done)


def test_a_merge_waits_for_every_part(tmp_path, base, delta, done):
    plan(base, delta, tmp_path / "run")
    for task in range(5):
        run("sweep", "merge", tmp_path / "run", expect=INCOMPLETE)
        assert not (tmp_path / "run" / "results.jsonl").exists()
        work(tmp_path / "run", "--task", task)
    error = refusal("sweep", "merge", tmp_path / "run", expect=INCOMPLETE)
    assert "5" in error["message"]
    work(tmp_path / "run", "--task", 5)
    run("sweep", "merge", tmp_path / "run", expect=DONE)
    assert results(tmp_path / "run") == results(done)


def test_a_run_goes_on_where_it_stopped(tmp_path, base, delta, done):
    shutil.copytree(done, tmp_path / "run")
    (tmp_path / "run" / "parts" / "2.json").unlink()
    (tmp_path / "run" / "results.jsonl").unlink()
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "run" / "parts").iterdir()}
    sweep(base, delta, tmp_path / "run", "--probe-tokens", 3)
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "run" / "parts").iterdir()}
    assert before.items() < after.items() and set(after) - set(before) == {"2.json"}
    assert parts(tmp_path / "run") == parts(done) and results(tmp_path / "run") == results(done)


def test_a_folder_of_something_else(tmp_path, base, delta, done):
    shutil.copytree(done, tmp_path / "run")
    before = snapshot(tmp_path / "run")
    words = ("sweep", "run", *sweep_words(base, delta, alphas=(0.5,)), "--probe-tokens", 3)
    assert refusal(*words, "--output", tmp_path / "run")["kind"] == "run-differs"
    assert snapshot(tmp_path / "run") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.txt").write_text("mine")
    assert refusal(*words, "--output", tmp_path / "mine")["kind"] == "run-differs"
    assert snapshot(tmp_path / "mine") == {"mine.txt": b"mine"}


def test_a_plan_that_is_none(tmp_path, done):
    shutil.copytree(done, tmp_path / "run")
    plan_file = tmp_path / "run" / "plan.json"
    document = json.loads(plan_file.read_text())
    for text in ("", "{}", plan_file.read_text()[:-3], json.dumps(document | {"schema": "another/1"}), json.dumps(document | {"tasks": [[]]})):
        plan_file.write_text(text)
        for words in (["work", tmp_path / "run", "--task", 0], ["merge", tmp_path / "run"], ["report", tmp_path / "run"]):
            refusal("sweep", *words)
    # A plan with other values is another plan: the parts are not its own.
    plan_file.write_text(json.dumps(document | {"alphas": document["alphas"][::-1]}))
    assert refusal("sweep", "merge", tmp_path / "run")["kind"] == "part-damaged"
    plan_file.unlink()
    assert refusal("sweep", "merge", tmp_path / "run")["kind"] == "no-plan"


@pytest.mark.parametrize("task", ["6", "-1", "x"])
def test_tasks_that_are_not_there(tmp_path, done, task):
    shutil.copytree(done, tmp_path / "run")
    assert run("sweep", "work", tmp_path / "run", "--task", task).code in (USAGE, BAD_INPUT)


@pytest.mark.parametrize("damage", ["flipped", "short", "empty", "of another task"])
def test_a_damaged_part(tmp_path, done, damage):
    folder = tmp_path / "run"
    shutil.copytree(done, folder)
    part = folder / "parts" / "3.json"
    text = bytearray(part.read_bytes())
    digit = max(i for i, c in enumerate(text[: len(text) // 2]) if chr(c).isdigit())
    text[digit] ^= 1
    part.write_bytes({"flipped": bytes(text), "short": bytes(text)[:-1], "empty": b"", "of another task": (folder / "parts" / "2.json").read_bytes()}[damage])
    before = snapshot(folder)
    error = refusal("sweep", "merge", folder)
    assert error["kind"] == "part-damaged" and error["file"].endswith("3.json")
    assert snapshot(folder) == before
    part.unlink()
    work(folder, "--task", 3)
    run("sweep", "merge", folder, expect=DONE)
    assert parts(folder) == parts(done) and results(folder) == results(done)


def flip_a_byte(path, at):
    """One bit, and the file looks as old as before."""
    status = path.stat()
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("what", ["gate", "up", "down", "norm", "delta", "probe", "config", "another delta"])
def test_inputs_that_changed(tmp_path, layout, base, delta, what):
    model, weights, folder, probe = tmp_path / "model", tmp_path / "delta", tmp_path / "run", tmp_path / "probe.safetensors"
    shutil.copytree(base, model)
    shutil.copytree(delta, weights)
    rows = np.random.default_rng(1).standard_normal((3, layout.hidden)).astype(np.float32)
    save_file({f"layers.{n}.mlp_input": rows for n in range(6)}, probe)
    more = ["--probe", probe] if what == "probe" else []
    run_json("sweep", "plan", *sweep_words(model, weights), "--output", folder, *more)
    work(folder, "--task", 0)
    before = snapshot(folder)
    name = {"norm": "model.layers.2.pre_feedforward_layernorm.weight"}.get(what, layout.tensor_name(2, "down" if what == "delta" else what))
    if what in ("gate", "up", "down", "norm", "delta"):
        where = weights if what == "delta" else model
        entry = list_tensors(where)[name]
        flip_a_byte(where / entry.file, read_header(where / entry.file)[1] + entry.begin)
    elif what == "probe":
        flip_a_byte(probe, probe.stat().st_size - 4)
    elif what == "config":
        text = (model / "config.json").read_text()
        (model / "config.json").write_text(text.replace('"gelu_pytorch_tanh"', '"silu"'))
    else:
        shutil.rmtree(weights)
        write_foreign_delta(weights, random_deltas(layout, seed=77))
    error = refusal("sweep", "work", folder, "--task", 2)
    assert error["kind"] == "input-changed", error
    if what in ("gate", "up", "down", "norm"):
        assert error["tensor"] == name
    assert snapshot(folder) == before
