#!/usr/bin/env bash
# From a fresh clone to two fused checkpoints: installs what is missing, builds, then neurons,
# generate, dry run, fuse, verify and diff on examples/tiny-gemma4 (trained) and on a random
# checkpoint with the names and layout of Gemma 4 31B at 1/7 of its size in every dimension (1 GB).
#
# Usage: tools/quickstart.sh [--keep]
#   --keep  leave the results in build/quickstart (3.5 GB); by default they are removed at the end
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

keep=0
case ${1:-} in
  "") ;;
  --keep) keep=1 ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
  *) echo "quickstart: unknown argument $1 (see --help)" >&2; exit 2 ;;
esac

# A strong edit, so that there is something to see: at the defaults of fuse (0.02 and 0.05) most
# edits of a bf16 checkpoint are lost to rounding.
alpha=32 gamma=25

echo "== set up and build"
tools/setup.sh --no-python
cmake --preset release >build/configure-release.log ||
  { cat build/configure-release.log; exit 1; }
cmake --build build/release --target contourfuse -j "$(nproc)" -- --quiet
contourfuse=$PWD/build/release/bin/contourfuse
built=$SECONDS

work=$PWD/build/quickstart
rm -rf "$work"
mkdir -p "$work"
((keep)) || trap 'rm -rf "$work"' EXIT

# timed FOLDER STEP COMMAND...: runs the command, keeps its JSON and its wall time.
timed() {
  local folder=$1 name=$2
  shift 2
  local start
  start=$(date +%s%N)
  "$@" --json >"$folder/$name.json" || { cat "$folder/$name.json" >&2; return 1; }
  echo $(($(date +%s%N) - start)) >"$folder/$name.ns"
}

# run_all FOLDER MODEL: every command of the main job, one after the other.
run_all() {
  local folder=$1 model=$2
  local bank=$folder/bank.safetensors delta=$folder/delta fused=$folder/fused
  echo "== $model"
  mkdir -p "$folder"
  timed "$folder" neurons "$contourfuse" neurons --activation gelu_pytorch_tanh --output "$bank"
  timed "$folder" generate "$contourfuse" generate --base-model "$model" --bank "$bank" \
    --output-dir "$delta"
  local fuse=("$contourfuse" fuse --model "$model" --weights "$delta" --output "$fused"
    --alpha "$alpha" --gamma-cap "$gamma")
  timed "$folder" dry-run "${fuse[@]}" --dry-run
  timed "$folder" fuse "${fuse[@]}"
  timed "$folder" verify "$contourfuse" verify "$fused" --base "$model" --weights "$delta" \
    --recompute
  timed "$folder" diff "$contourfuse" diff "$model" "$fused"
}

run_all "$work/tiny" examples/tiny-gemma4
"$contourfuse" synth --like 31b --scale 1/7 --output "$work/31b-like" --quiet
run_all "$work/large" "$work/31b-like"

printf '\nSet-up and build took %d s, everything %d s.\n\n' "$built" "$SECONDS"
python3 - "$work" "$alpha" "$gamma" <<'PY'
import json, pathlib, sys

work = pathlib.Path(sys.argv[1])
folders = [work / "tiny", work / "large"]
models = [pathlib.Path("examples/tiny-gemma4"), work / "31b-like"]

def seconds(folder, step):
    return f"{int((folder / f'{step}.ns').read_text()) / 1e9:.2f} s"

def document(folder, step):
    return json.loads((folder / f"{step}.json").read_text())

def megabytes(path):
    return f"{sum(f.stat().st_size for f in path.rglob('*') if f.is_file()) / 1e6:,.0f} MB"

fused = [document(folder, "fuse") for folder in folders]
totals = [f["totals"] for f in fused]

def share(key, of):
    return [f"{t[key] / t[of]:.1%}" if t[of] else "-" for t in totals]

def drift(role):
    def one(f):
        records = [m for m in f["matrices"] if m["role"] == role and "skipped" not in m]
        weight = sum(m["sum_w2"] for m in records)
        return f"{(sum(m['sum_change2'] for m in records) / weight) ** 0.5:.4f}" if weight else "-"
    return [one(f) for f in fused]

rows = [
    ("", ["tiny-gemma4", "31B-like at 1/7"]),
    None,
    ("size of the checkpoint", [megabytes(m) for m in models]),
    ("neurons: make a neuron bank", [seconds(f, "neurons") for f in folders]),
    ("generate: deltas from the bank", [seconds(f, "generate") for f in folders]),
    ("fuse --dry-run: headers only", [seconds(f, "dry-run") for f in folders]),
    ("fuse: copy and edit, durable", [seconds(f, "fuse") for f in folders]),
    ("verify --recompute: bit for bit", [seconds(f, "verify") for f in folders]),
    ("diff: base against result", [seconds(f, "diff") for f in folders]),
    None,
    ("layers edited", [str(len(f["selected_layers"])) for f in fused]),
    ("matrices edited", [str(t["matrices"]) for t in totals]),
    ("weights in them", [f"{t['elements']:,}" for t in totals]),
    ("weights changed", share("changed", "elements")),
    ("edits lost to rounding", share("lost", "moved")),
    ("gate edits clamped at gamma", [
        f"{t['clamped'] / max(1, sum(m['covered'] for m in f['matrices'] if m['role'] == 'gate')):.1%}"
        for t, f in zip(totals, fused)]),
    ("relative change of gate", drift("gate")),
    ("relative change of down", drift("down")),
]
width = max(len(row[0]) for row in rows if row)
print(f"Shape-Contoured Fusion at alpha {sys.argv[2]}, gamma {sys.argv[3]}; times are wall times")
for row in rows:
    print("-" * (width + 36) if row is None else f"{row[0]:<{width}}" + "".join(f"{v:>18}" for v in row[1]))
PY
if ((keep)); then
  echo "The results are in build/quickstart; look at one with"
  echo "  build/release/bin/contourfuse inspect build/quickstart/tiny/fused"
fi
