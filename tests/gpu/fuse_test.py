"""The program on a GPU: folders equal to the CPU's byte for byte, from stored deltas and from recipes."""

import pytest

from e2e.program import DONE, SOURCE, run, run_json, snapshot

MODEL = SOURCE / "examples" / "tiny-gemma4"


@pytest.fixture(scope="module", autouse=True)
def gpu():
    cuda = [d for d in run_json("devices")["devices"] if d["backend"] == "cuda"]
    if not any(d["usable"] for d in cuda):
        pytest.skip(cuda[0]["reason"])


@pytest.mark.parametrize("kind", ["stored", "recipe"])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_the_same_folder(tmp_path, kind, rounding):
    delta = tmp_path / "delta"
    more = ["--recipe-only"] if kind == "recipe" else []
    run("generate", "--base-model", MODEL, "--output-dir", delta, *more, expect=DONE)
    words = ["fuse", "--model", MODEL, "--weights", delta, "--alpha", "2", "--gamma-cap", "0.5", "--rounding", rounding]
    for device in ("cpu", "cuda"):
        run(*words, "--output", tmp_path / device, "--device", device, expect=DONE)
    assert snapshot(tmp_path / "cuda") == snapshot(tmp_path / "cpu")
    run("verify", tmp_path / "cuda", "--base", MODEL, "--weights", delta, "--recompute", "--device", "cuda", expect=DONE)
