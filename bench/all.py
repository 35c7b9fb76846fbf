#!/usr/bin/env python3
"""Every measurement of docs/performance.md, one after the other. See README.md."""

import argparse
import os
import pathlib
import platform
import subprocess
import sys
import time

import comparing

HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=pathlib.Path, default=comparing.ROOT / "build/release/bin",
                        help="folder of contourfuse and the benches (default: %(default)s)")
    parser.add_argument("--folder", type=pathlib.Path, default=comparing.ROOT / "build/bench",
                        help="where models are made and kept: 30 GB, or 5 with --quick (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="small files, three rounds")
    return parser.parse_args()


def machine():
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                      if line.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{processor}, {comparing.processors()} processors, {memory / 2**30:.0f} GiB, Linux {platform.release()}"


def show(title, command):
    print(f"\n## {title}\n$ {' '.join(str(word) for word in command)}", flush=True)
    subprocess.run([str(word) for word in command], check=True)


def fuses(program, folder, sizes, rounds):
    for size in sizes:
        for durability in "full", "none":
            show(f"fuse, {size}, durability {durability}",
                 [program, "bench", "fuse", "--folder", folder, "--size", size, "--durability", durability,
                  "--rounds", rounds])
    one_thread = ["--durability", "none", "--threads", "1", "--rounds", rounds]
    show("fuse on one thread", [program, "bench", "fuse", "--folder", folder, "--size", sizes[0], *one_thread])
    for flags in ["--direct"], ["--cold"], ["--cold", "--direct"], ["--cold", "--io", "mmap"]:
        show(f"fuse {' '.join(flags)}",
             [program, "bench", "fuse", "--folder", folder, "--size", sizes[-2], "--rounds", rounds, *flags])


def others(program, folder, size, rounds):
    for what in "read", "write", "copy", "generate", "verify", "diff":
        for flags in [], ["--cold"]:
            if flags and what in ("write", "generate"):
                continue
            show(" ".join([what, *flags]),
                 [program, "bench", what, "--folder", folder, "--size", size, "--rounds", rounds, *flags])


def headers(program, folder):
    model, delta = folder / "sparse-31b", folder / "sparse-31b-recipe"
    if not model.exists():
        show("a model of 62 GB that is holes", [program, "synth", "--like", "31b", "--sparse", "--output", model])
    if not delta.exists():
        show("its delta", [program, "generate", "--base-model", model, "--output-dir", delta, "--recipe-only"])
    for command in (["--version"], ["inspect", model], ["fuse", "--model", model, "--weights", delta, "--dry-run"]):
        times = []
        for _ in range(9):
            start = time.perf_counter()
            subprocess.run([program, *command], check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - start)
        print(f"{command[0]}: {1000 * sorted(times)[4]:.0f} ms")


def main():
    chosen = arguments()
    sizes, rounds = (("256MiB", "512MiB", "1GiB"), 3) if chosen.quick else (("512MiB", "2GiB", "8GiB"), 5)
    program = chosen.programs / "contourfuse"
    print(machine())
    chosen.folder.mkdir(parents=True, exist_ok=True)
    same = ["--programs", chosen.programs, "--folder", chosen.folder, "--rounds", rounds]
    fuses(program, chosen.folder, sizes, rounds)
    others(program, chosen.folder, sizes[1], rounds)
    headers(program, chosen.folder)
    show("fuse beside the torch script", [sys.executable, HERE / "fuse_vs_torch.py", *same])
    show("sweep beside a fuse", [sys.executable, HERE / "sweep_vs_fuse.py", *same])
    show("kernels beside memcpy", [chosen.programs / "kernels_bench"])


if __name__ == "__main__":
    main()
