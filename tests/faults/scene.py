"""A watched folder with inputs and an output to be, and what must hold of it whatever befell the run."""

import os
import shutil

from e2e.program import DONE, run

from .disk_model import lay_out, tree
from .preloaded import KILLED, recorded, run_with

INPUTS = ("base", "stored", "recipe")


def below(contents, name):
    """The part of a tree that lies in the folder `name`; None if there is none."""
    if name not in contents:
        return None
    return {path[len(name) + 1 :]: content for path, content in contents.items() if path.startswith(f"{name}/")}


class Scene:
    def __init__(self, root, records):
        self.root, self.records = root, records
        self.start = tree(root)

    @property
    def out(self):
        return self.root / "out"

    def fuse(self, *more, weights="stored", threads=1):
        """The words of a fuse; on one thread its calls come in one order."""
        return ["fuse", "--model", self.root / "base", "--weights", self.root / weights, "--output", self.out, "--threads", threads,
                "--device", "cpu", "--quiet", *more]

    def add_to_start(self):
        """The output that is there belongs to the start."""
        self.start = tree(self.root)

    def forget(self):
        """It no longer does."""
        self.start = {path: content for path, content in self.start.items() if path.split("/")[0] in INPUTS}

    def take(self):
        """Removes the output; what it held."""
        made = below(tree(self.root), "out")
        shutil.rmtree(self.out)
        return made

    def put(self, contents):
        """Makes the folder hold this; what it holds already stays untouched, times and inodes too."""
        now = tree(self.root)
        for name in sorted(now.keys() - contents.keys(), reverse=True):
            path = self.root / name
            path.rmdir() if now[name] is None else path.unlink()
        lay_out(self.root, {name: content for name, content in contents.items() if name not in now or now[name] != content})

    def reset(self):
        """Makes it hold what it held at the start."""
        self.put(self.start)

    def undisturbed(self, *words):
        """The calls of a whole run, and the output that it leaves; the start is restored."""
        calls = recorded(self.root, self.records, *words)
        made = below(tree(self.root), "out")
        self.reset()
        return calls, made

    def kill(self, rule, *words):
        run_with(self.root, [rule], *words, expect=KILLED)

    def check(self, contents, made, partials=True):
        """Inputs as they were; an output absent, the old one, or whole; and nothing but partials beside it. The output."""
        for path, content in self.start.items():
            if path.split("/")[0] in INPUTS:
                assert contents[path] == content, f"{path} has changed"
        others = {path.split("/")[0] for path in contents} - set(INPUTS) - {"out"}
        assert all(partials and name.startswith("out.partial-") for name in others), others
        out = below(contents, "out")
        old = below(self.start, "out")
        assert out in (old, made), f"the output is not whole: {different(out, made)}"
        return out

    def check_now(self, made, partials=True):
        """The same of the folder as it is; a new output also in the program's own words."""
        out = self.check(tree(self.root), made, partials)
        if out is not None and out == made and "contourfuse.json" in out:
            run("verify", self.out, "--base", self.root / "base", "--quiet", expect=DONE)
        return out


def different(left, right):
    """Names that differ between two trees. Of `left == right` pytest would explain every byte, for minutes where it is told to be
    thorough (CI=true). One that is absent differs from an empty one, by the name "."."""
    if left is None or right is None:
        return [] if left is right else ["."]
    return sorted(name for name in left.keys() | right.keys() if left.get(name, "absent") != right.get(name, "absent"))


def fill(folder, leave):
    """Takes all but some bytes of a filesystem."""
    (folder / "rest").unlink(missing_ok=True)
    facts = os.statvfs(folder)
    (folder / "rest").write_bytes(bytes(facts.f_bavail * facts.f_frsize - leave))
