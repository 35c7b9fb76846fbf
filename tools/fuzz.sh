#!/usr/bin/env bash
# Builds the fuzz targets and runs them, as many at a time as there are processors; then says what
# each covers of its parser's source files. Exit status 1 if there is a finding: its input lies in
# build/fuzz/runs/findings, and build/fuzz/bin/NAME_fuzz FILE shows it again.
#
# Usage: tools/fuzz.sh [--seconds N] [TARGET...]
#   --seconds N  how long each target runs (default: 60)
#   TARGET       such as safetensors (default: all of them)
# Inputs that reach something new are kept in build/fuzz-corpus, where later runs begin.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=60 targets=()
while (($#)); do
  case $1 in
    --seconds) seconds=${2:?fuzz: --seconds needs a number}; shift ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    -*) echo "fuzz: unknown argument $1 (see --help)" >&2; exit 2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done

mkdir -p build
cmake --preset fuzz -DCONTOURFUSE_FUZZ_SECONDS="$seconds" >build/configure-fuzz.log ||
  { cat build/configure-fuzz.log; exit 1; }
cmake --build build/fuzz -j "$(nproc)" --target fuzz_targets -- --quiet
rm -f build/fuzz/runs/*.summary

chosen=()
if ((${#targets[@]})); then chosen=(-R "^fuzz\.($(IFS='|'; echo "${targets[*]}"))$"); fi
status=0
ctest --test-dir build/fuzz -L '^fuzz$' -j "$(nproc)" --output-on-failure --no-tests=error \
  "${chosen[@]}" || status=1
cat build/fuzz/runs/*.summary 2>/dev/null || true
exit "$status"
