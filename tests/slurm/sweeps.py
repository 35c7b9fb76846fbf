"""Sweeps to do on the cluster, and what one box makes of them."""

import re
from pathlib import Path

from e2e.program import DONE, SOURCE, program_path, run

SUBMIT = SOURCE / "tools/slurm/submit.sh"
SCRIPT = SOURCE / "tools/slurm/sweep.sbatch"
RESULTS = ("results.jsonl", "results.csv")


class Sweep:
    """A model, its delta and a grid. `plan` gives a fresh run folder."""

    def __init__(self, folder, layers, scale, probe_tokens, gammas="0.05,0.4"):
        self.model, self.delta = folder / "model", folder / "delta"
        self.layers = layers
        run("synth", "--like", "12b", "--layers", layers, "--scale", scale, "--output", self.model, expect=DONE)
        run("generate", "--base-model", self.model, "--output-dir", self.delta, expect=DONE)
        self.words = ["--model", self.model, "--weights", self.delta, "--alphas", "0.02,0.5,8",
                      "--gammas", gammas, "--probe-tokens", probe_tokens]
        # On the device and with the number of threads that an element has here.
        run("sweep", "run", *self.words, "--output", folder / "one-box", "--device", "cpu", "--threads", 1, expect=DONE)
        self.expected = results(folder / "one-box")

    def plan(self, folder):
        run("sweep", "plan", *self.words, "--output", folder, expect=DONE)
        return Run(folder, self.expected)


class Run:
    """A run folder, what its results are to be, and the jobs that work on it."""

    def __init__(self, folder, expected):
        self.folder, self.expected = Path(folder), expected

    def submit(self, cluster, *flags, **options):
        """(array, merge): the numbers of the jobs that tools/slurm/submit.sh submits."""
        done = cluster.command(SUBMIT, self.folder, "--program", program_path(), *flags, **options)
        return tuple(map(int, re.search(r"array (\d+), .* merge (\d+)", done.stdout).groups()))

    def element(self, cluster, *flags, **options):
        """One job with the worker script, without submit.sh."""
        log = f"--output={self.folder}/logs/alone-%j-%a.log"
        (self.folder / "logs").mkdir(exist_ok=True)
        return cluster.submit(*flags, log, SCRIPT, "work", program_path(), self.folder, **options)

    def parts(self):
        """Finished tasks and when each was published."""
        return {int(p.stem): p.stat().st_mtime_ns for p in self.folder.glob("parts/*.json")}

    def leftovers(self):
        """Files in parts/ that are no parts."""
        return [p.name for p in self.folder.glob("parts/*") if not re.fullmatch(r"\d+\.json", p.name)]

    def results(self):
        return results(self.folder)

    def assert_finished(self, cluster, merge):
        """Waits for a merge and holds its results against one box's."""
        assert set(cluster.wait(merge, 120).values()) == {"COMPLETED"}, self.log("merge")
        assert self.results() == self.expected and not self.leftovers()

    def log(self, name):
        return (self.folder / "logs" / f"{name}.log").read_text()


def results(folder):
    """name -> bytes of those of the result files that exist."""
    return {name: (Path(folder) / name).read_bytes() for name in RESULTS if (Path(folder) / name).exists()}

