"""`bench`: a command beside the plain transfers that are its ceiling. What it measures is checked, not how fast it was."""

import statistics

import pytest

from .program import DONE, USAGE, refusal, run, run_json

CASES = {
    "fuse": ["copy", "copy, direct", "cp -r, sync", "fuse"],
    "generate": ["write", "generate"],
    "verify": ["read", "verify"],
    "diff": ["read", "diff"],
    "copy": ["copy", "copy, direct", "cp -r, sync", "copy, mmap"],
    "read": ["pread", "direct", "mmap"],
    "write": ["write", "write, direct"],
}


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def bench(folder, base, delta, what, *flags):
    return run_json("bench", what, "--folder", folder, "--model", base, "--weights", delta, "--rounds", "2",
                    "--pause", "0", *flags)


@pytest.mark.parametrize("what", CASES)
def test_bench_measures_in_turn(tmp_path, base, stored, what):
    before = size(base), size(stored)
    document = bench(tmp_path / "bench", base, stored, what, "--cold")
    assert document["what"] == what and document["cache"] == "cold" and document["durability"] == "full"
    cases = {case["name"]: case for case in document["cases"]}
    assert list(cases) == CASES[what]
    ceiling = cases[document["ceiling"]]
    assert ceiling["times_ceiling"] == 1
    for case in cases.values():
        assert len(case["seconds"]) == 2 and min(case["seconds"]) > 0
        ratios = [mine / other for mine, other in zip(case["seconds"], ceiling["seconds"])]
        assert case["times_ceiling"] == pytest.approx(statistics.median(ratios))
        assert case["median_seconds"] == pytest.approx(statistics.median(case["seconds"]))
        assert case["bytes_per_second"] == pytest.approx(case["bytes"] / case["median_seconds"])
        assert case["peak_anonymous_bytes"] > 0
    assert not (tmp_path / "bench" / "output").exists()
    assert (size(base), size(stored)) == before


def test_bytes_are_those_that_move(tmp_path, base, stored):
    copy = bench(tmp_path, base, stored, "copy")["cases"][0]
    assert copy["bytes"] == 2 * size(base)
    planned = run_json("fuse", "--model", base, "--weights", stored, "--dry-run")["bytes"]
    cached = {c["name"]: c for c in bench(tmp_path, base, stored, "fuse", "--durability", "none")["cases"]}
    assert list(cached) == ["its traffic alone", "copy", "fuse"]
    assert cached["fuse"]["bytes"] == cached["its traffic alone"]["bytes"] == planned["read"] + planned["written"]


def test_a_random_model_is_made_once(tmp_path):
    flags = ["bench", "fuse", "--size", "1", "--rounds", "1", "--pause", "0", "--durability", "none"]
    names = [case["name"] for case in run_json(*flags, cwd=tmp_path)["cases"]]
    assert names == ["its traffic alone", "copy", "fuse", "fuse, recipe"]
    folder = tmp_path / "contourfuse-bench"
    kept = {path.name for path in folder.iterdir()}
    assert kept == {"model-6-layers", "model-6-layers-delta", "model-6-layers-recipe"}
    made = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    table = run(*flags, cwd=tmp_path, expect=DONE).out
    assert "ceiling: its traffic alone" in table and "fuse, recipe" in table and "contourfuse-bench" in table
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == made


def test_kernels_of_every_level_are_measured(tmp_path):
    document = run_json("bench", "kernels", "--rounds", "1", "--size", "3MiB", cwd=tmp_path)
    assert document["ceiling"] == "memcpy"
    names = [case["name"] for case in document["cases"]]
    levels = {name.split(", ")[1] for name in names[1:]}
    assert "baseline" in levels
    for level in levels:
        for kernel in ("down", "down stochastic", "record of down", "gate", "gate stochastic", "record of gate", "moments"):
            assert f"{kernel}, {level}" in names
    assert {case["bytes"] for case in document["cases"]} == {3 << 20}
    assert not list(tmp_path.iterdir())


def test_bench_wants_one_thing_to_measure():
    refusal("bench", expect=USAGE)
    refusal("bench", "juggle", expect=USAGE)
    refusal("bench", "copy", "--model-of-cost", expect=USAGE)
    refusal("bench", "copy", "--rounds", "0", expect=USAGE)
