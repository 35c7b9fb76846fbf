#!/usr/bin/env python3
"""How long a sweep of 64 α × 32 γ takes, compared with one fuse of the same layers, on this machine.

Weight metrics only, sources in the page cache. See README.md.
"""

import shutil
import sys

import comparing

ALPHA_COUNTS = (1, 4, 16, 64)
GAMMAS = "log:0.01:25:32"


def alphas(count):
    return "1" if count == 1 else f"log:0.01:64:{count}"


def arguments():
    parser = comparing.parser_of(__doc__, rounds=5)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, comparing.processors()}),
                        help="of both, in turn (default: %(default)s)")
    return comparing.parse(parser)


def measure(chosen):
    base, delta = comparing.checkpoints(chosen)
    program = chosen.programs / "contourfuse"
    fused, swept = chosen.folder / "fused", chosen.folder / "swept"

    def fuse(threads):
        return comparing.seconds([program, "fuse", "--model", base, "--weights", delta, "--output", fused,
                        "--threads", str(threads), "--durability", "none", "--quiet"], fused)

    def sweep(threads, count):
        return comparing.seconds([program, "sweep", "run", "--model", base, "--weights", delta, "--output", swept,
                        "--alphas", alphas(count), "--gammas", GAMMAS, "--probe-tokens", "0",
                        "--threads", str(threads), "--device", "cpu", "--quiet"], swept)

    try:
        fuse(chosen.threads[0])  # brings the sources into the page cache
        sweep(chosen.threads[0], 1)
        rows = []
        for threads in chosen.threads:
            rounds = [{"fuse": fuse(threads), **{str(n): sweep(threads, n) for n in ALPHA_COUNTS}}
                      for _ in range(chosen.rounds)]
            middle = comparing.medians(rounds)
            rows.append({
                "threads": threads,
                "rounds": rounds,
                "fuse_seconds": middle["fuse"],
                "sweep_seconds": {str(n): middle[str(n)] for n in ALPHA_COUNTS},
                "seconds_per_alpha": {str(n): middle[str(n)] / n for n in ALPHA_COUNTS},
                "ratio": comparing.ratio(rounds, str(ALPHA_COUNTS[-1]), "fuse"),
            })
    finally:
        for folder in fused, swept:
            shutil.rmtree(folder, ignore_errors=True)
    return {"schema": "contourfuse.bench.sweep_vs_fuse/1", "base_bytes": comparing.folder_bytes(base),
            "delta_bytes": comparing.folder_bytes(delta), "gammas": GAMMAS, "threads": rows}


def table(result):
    print(f"base {result['base_bytes'] / 1e9:.2f} GB, delta {result['delta_bytes'] / 1e9:.2f} GB, "
          f"32 values of gamma, sources in the page cache")
    counts = "".join(f"{f'{n} alphas':>12}" for n in ALPHA_COUNTS)
    print(f"{'threads':8}{'fuse s':>10}{counts}{'ratio':>8}")
    for row in result["threads"]:
        times = "".join(f"{row['sweep_seconds'][str(n)]:12.2f}" for n in ALPHA_COUNTS)
        print(f"{row['threads']:<8}{row['fuse_seconds']:10.2f}{times}{row['ratio']:8.2f}")
        each = "".join(f"{1000 * row['seconds_per_alpha'][str(n)]:12.1f}" for n in ALPHA_COUNTS)
        print(f"{'':8}{'ms each':>10}{each}")


def main():
    chosen = arguments()
    return comparing.finish(
        chosen, measure(chosen), table,
        lambda measured, limit: max(row["ratio"] for row in measured["threads"]) > limit)


if __name__ == "__main__":
    sys.exit(main())
