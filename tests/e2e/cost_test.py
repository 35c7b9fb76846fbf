"""What a run cost, as `--profile` traces it, and what one would, as `bench --model-of-cost` says."""

import json

import pytest

from oracle.numerics import Settings

from .comparison import fuse
from .program import DONE, USAGE, refusal, run, run_json


def test_a_profile_has_every_stage_on_every_worker(tmp_path, base, stored, recipe):
    """Chrome trace events: complete ones ("X") with microseconds, named rows ("M")."""
    for delta, made in ((stored, "read"), (recipe, "generate")):
        trace = tmp_path / f"{made}.json"
        run("fuse", "--model", base, "--weights", delta, "--output", tmp_path / f"out-{made}", "--threads", 2,
            "--profile", trace, expect=DONE)
        events = json.loads(trace.read_text())["traceEvents"]
        stages = [event for event in events if event["ph"] == "X"]
        assert {"read", "moments", "scale", "write", made} == {event["name"] for event in stages}
        assert {event["tid"] for event in stages} <= {event["tid"] for event in events if event["ph"] == "M"}
        assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in stages)
        written = sum(event["args"]["bytes"] for event in stages if event["name"] == "write")
        assert written == sum(path.stat().st_size for path in (tmp_path / f"out-{made}").glob("model*.safetensors"))


def test_a_profile_changes_no_byte(tmp_path, base, stored):
    fuse(base, stored, tmp_path / "plain", Settings(alpha=1.0, gamma_cap=0.5))
    run("fuse", "--model", base, "--weights", stored, "--output", tmp_path / "traced", "--alpha", 1.0,
        "--gamma-cap", 0.5, "--profile", tmp_path / "trace.json", expect=DONE)
    for path in (tmp_path / "plain").glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "traced" / path.name).read_bytes()


def test_the_model_of_cost_names_the_limit():
    # 31B: 60 layers of 5376 × 21504; every element of gate and down, and its delta.
    elements = 2 * 60 * 5376 * 21504
    slow = run_json("bench", "--model-of-cost", "--like", "31b", "--card", "h100", "--write-rate", "1GB")
    assert slow["schema"] == "contourfuse.cost/1"
    stages = {stage["name"]: stage for stage in slow["stages"]}
    assert stages["copy in"]["bytes"] == pytest.approx(4 * elements)
    assert stages["copy out"]["bytes"] == pytest.approx(2 * elements)
    assert slow["limit"] == "storage, writing" and slow["seconds"] == pytest.approx(stages["write"]["seconds"])
    quick = run_json("bench", "--model-of-cost", "--read-rate", "900GB", "--write-rate", "900GB", "--recipe")
    assert quick["limit"].startswith("PCIe")
    assert quick["seconds"] == pytest.approx(2 * elements / quick["rates"]["to_device"])


def test_bench_wants_to_know_what():
    refusal("bench", expect=USAGE)
    refusal("bench", "--model-of-cost", "--card", "voodoo2", expect=USAGE)
