"""What docs/sweep.md says of the cheap numbers: they rank edits of the trained model by their true damage."""

import json
import math
import sys

import pytest

from e2e.program import SOURCE, program_path

sys.path.insert(0, str(SOURCE / "tools"))

import sweep_study  # noqa: E402  (its folder is named above)

ALPHAS, GAMMAS = ("0", "0.5", "2", "8", "32"), ("0", "0.05", "0.5", "5", "25")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study of one norm: 25 points, of which two columns are one (gamma is beyond every delta)."""
    output = tmp_path_factory.mktemp("study") / "study"
    words = ["--contourfuse", program_path(), "--output", output, "--norms", "match", "--probes", "seeded", "captured", "exact"]
    words += ["--alphas", *ALPHAS, "--gammas", *GAMMAS, "--rows", "4", "--probe-tokens", "64"]
    sweep_study.main([str(word) for word in words])
    assert "Spearman" in (output / "study.md").read_text(encoding="utf-8")
    return json.loads((output / "study.json").read_text(encoding="utf-8"))


def test_the_truth_makes_sense(study):
    points = {(p["alpha"], p["gamma_cap"]): p for p in study["points"]}
    assert len(points) == 25
    assert points[0, 0]["kl"] == 0 and points[0, 0]["loss_change"] == 0
    assert points[8, 5]["kl"] == points[8, 25]["kl"] and points[8, 0.5]["kl"] != points[8, 5]["kl"]
    assert all(p["kl"] >= 0 and math.isfinite(p["loss"]) for p in points.values())
    assert points[32, 25]["loss_change"] > 0.3 > 0.01 > abs(points[0.5, 0.05]["loss_change"])


@pytest.mark.parametrize("probes", ["seeded", "captured", "exact"])
def test_the_error_after_the_norm_ranks_the_points(study, probes):
    ranks = study["spearman"][probes]
    assert ranks["error_after_norm"]["kl"] >= 0.95 and ranks["error_after_norm"]["loss_change"] >= 0.95
    assert ranks["pooled drift"]["kl"] >= 0.95
    # Half of an edit says little about the whole.
    assert ranks["gate drift"]["kl"] < 0.95 and ranks["down drift"]["kl"] < 0.95


def test_ranks_are_what_they_say():
    assert list(sweep_study.ranks([3.0, -1.0, 3.0, 7.0])) == [2.5, 1.0, 2.5, 4.0]
    a, b = [1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 50.0]
    differences = sum((x - y) ** 2 for x, y in zip([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]))
    assert sweep_study.spearman(a, b) == pytest.approx(1 - 6 * differences / (5 * 24))
    assert sweep_study.spearman(a, [-x for x in b]) == pytest.approx(-(1 - 6 * differences / (5 * 24)))
    assert sweep_study.spearman(a, [1.0] * 5) is None
    assert sweep_study.power_law([1.0, 2.0, 4.0], [3.0, 12.0, 48.0]) == pytest.approx((3.0, 2.0))
