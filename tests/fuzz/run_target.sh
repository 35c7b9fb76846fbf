#!/usr/bin/env bash
# Runs one fuzz target, then says what its inputs cover of the parser's sources. CTest's fuzz.*.
#
# Usage: run_target.sh --program FILE --seconds N --max-length N --work FOLDER --corpus FOLDER
#                      --inputs FOLDER... --sources FILE...
# Inputs are read only; what the run finds goes to the corpus, an input that fails to
# WORK/findings.
set -euo pipefail

inputs=() sources=() list=
while (($#)); do
  case $1 in
    --program | --seconds | --max-length | --work | --corpus)
      declare "$(tr - _ <<<"${1#--}")=$2"
      shift
      ;;
    --inputs | --sources) list=${1#--} ;;
    *) if [[ $list == inputs ]]; then inputs+=("$1"); else sources+=("$1"); fi ;;
  esac
  shift
done
name=$(basename "$program")
name=${name%_fuzz}
mkdir -p "$work/findings" "$corpus"
given=()
for folder in "${inputs[@]}"; do
  if [[ -d $folder ]]; then given+=("$folder"); fi
done
dictionary=()
if [[ -e $(dirname "$0")/dictionaries/$name.txt ]]; then
  dictionary=("-dict=$(dirname "$0")/dictionaries/$name.txt")
fi

log=$work/$name.log
# A finding is a crash, an exception that is no Error, a report of a sanitizer, a leak, more than
# 2 GB, or more than 10 s.
LLVM_PROFILE_FILE=/dev/null "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
  -max_len="$max_length" "${dictionary[@]}" -print_final_stats=1 \
  -artifact_prefix="$work/findings/$name-" "$corpus" "${given[@]}" >"$log" 2>&1 || {
  tail -n 60 "$log"
  exit 1
}
read -r runs coverage features <<<"$(sed -n 's/^#\([0-9]*\)[[:space:]]*DONE *cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 \2 \3/p' "$log")"

LLVM_PROFILE_FILE=$work/$name.profraw "$program" -runs=0 -max_len="$max_length" "$corpus" \
  "${given[@]}" >"$work/$name-coverage.log" 2>&1
llvm-profdata merge -sparse "$work/$name.profraw" -o "$work/$name.profdata"
report=$(llvm-cov report "$program" -instr-profile="$work/$name.profdata" "${sources[@]}")
# Lines, and those missed: the eighth and ninth column of the last row.
read -r lines missed <<<"$(awk 'END { print $8, $9 }' <<<"$report")"
printf '%-12s %9d runs %6d edges %6d features %6d inputs %5d of %4d lines %3d %%\n' "$name" "$runs" \
  "$coverage" "$features" "$(find "$corpus" -type f | wc -l)" $((lines - missed)) "$lines" \
  $((100 * (lines - missed) / lines)) | tee "$work/$name.summary"
