#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests: those that take minutes at most, or all.
#
# Usage: tools/check.sh [--all]
#   --all  also the formatting, clang-tidy, the sanitizers, 64-bit ARM, a minute of fuzzing for each
#          parser, and the tests with label hf, browser, slurm and slow
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all=0
case ${1:-} in
  "") ;;
  --all) all=1 ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
  *) echo "check: unknown argument $1 (see --help)" >&2; exit 2 ;;
esac

jobs=$(nproc)
failed=()
logs=build/check
rm -rf "$logs"
mkdir -p "$logs"
# step NAME COMMAND...: runs it, says how long it took, and remembers a failure and what it printed.
step() {
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if "$@" 2>&1 | tee "$logs/$name"; then
    printf '== %s: passed, %d s\n' "$name" $((SECONDS - start))
  else
    printf '== %s: FAILED, %d s\n' "$name" $((SECONDS - start))
    failed+=("$name")
    return 1
  fi
}

# What a failed step printed: of CTest the tests that failed, of anything else the end.
excerpt() {
  local tests
  tests=$(awk '/^ *(Start +[0-9]+:|[0-9]+\/[0-9]+ Test +#|[0-9]+% tests)/ { shown = /\*\*\*/ && !/\*\*\*Skipped/ } shown' "$1")
  tail -n 300 <<<"${tests:-$(tail -n 50 "$1")}"
}

build() {
  local preset=$1
  shift
  cmake --preset "$preset" >"build/configure-$preset.log" ||
    { cat "build/configure-$preset.log"; return 1; }
  cmake --build "build/$preset" -j "$jobs" "$@" -- --quiet
}

run_tests() {
  local preset=$1
  shift
  ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=error "$@"
}

if ((all)); then
  step "set up" tools/setup.sh --hf --browser --slurm --tsan --aarch64 --cost --fuzz || exit 1
  step "format" tools/format.sh --check || true
  step "build release" build release || exit 1
  step "clang-tidy" tools/tidy.sh || true
  if step "build asan" build asan; then
    step "tests under ASan and UBSan" run_tests asan -L '^(unit|e2e)$' || true
  fi
  if step "build tsan" build tsan --target unit_tests; then
    step "tests under TSan" run_tests tsan -L '^unit$' || true
  fi
  if step "build aarch64" build aarch64 --target numeric_test backend_cpu_test; then
    step "tests on aarch64" ctest --preset aarch64 -j "$jobs" || true
  fi
  step "fuzzing" tools/fuzz.sh || true
  # Last, so that the log ends with the summary of the complete list.
  step "tests" run_tests release || true
  # What an edit does to a trained model, as the test hf.loss measured it.
  grep -h "nats per byte" build/release/Testing/Temporary/LastTest.log || true
else
  step "set up" tools/setup.sh || exit 1
  step "build release" build release || exit 1
  step "tests" run_tests release -LE '^(hf|browser|slurm|slow)$' || true
fi

if ((${#failed[@]})); then
  # Once more at the end, where it is looked for in a long log.
  for name in "${failed[@]}"; do
    printf '\n== %s: FAILED, as above:\n' "$name"
    excerpt "$logs/$name"
  done
  printf '\ncheck: FAILED after %d s: %s\n' "$SECONDS" "$(IFS=,; echo "${failed[*]}")"
  exit 1
fi
printf '\ncheck: everything passed, %d s\n' "$SECONDS"
