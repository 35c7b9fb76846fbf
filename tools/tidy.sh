#!/usr/bin/env bash
# clang-tidy over the sources of the libraries and the program, by .clang-tidy; findings are errors.
# Usage: tools/tidy.sh [FILE-REGEX]
#   FILE-REGEX  only these, each read alone; without it a unity build is read, in a quarter of the time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
mkdir -p build
jobs=$(nproc)

unity=ON checks=-bugprone-suspicious-include files="^$root/build/tidy/(src|tools/contourfuse)/"
if (($#)); then unity=OFF checks='' files=$1; fi

# A build folder of its own: clang knows neither -fno-weak nor some warnings of g++, and one
# translation unit per file is enough, so the higher instruction-set levels are left out.
cmake --preset release -B build/tidy -DCONTOURFUSE_TESTS=OFF -DCMAKE_UNITY_BUILD=$unity >build/tidy.log 2>&1 ||
  { cat build/tidy.log; exit 1; }
python=$(command -v /usr/bin/python3 || command -v python3)
"$python" - build/tidy/compile_commands.json <<'PY'
import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
seen, kept = set(), []
for command in json.loads(path.read_text()):
    if command["file"] in seen or "-march=" in command["command"]:
        continue
    seen.add(command["file"])
    command["command"] = command["command"].replace(" -Wuseless-cast", "").replace(" -Wno-restrict", "")
    kept.append(command)
path.write_text(json.dumps(kept))
PY

runner=$(command -v run-clang-tidy-14 || command -v run-clang-tidy)
status=0
"$runner" -p build/tidy -j "$jobs" -quiet -checks="$checks" "$files" \
  >build/tidy.raw 2>&1 || status=$?
sed -e 's/\x1b\[[0-9;]*m//g' -e '/warnings generated/d' -e '/^clang-tidy-/d' build/tidy.raw >build/tidy.log
if ((status == 0)); then
  echo "tidy: no findings"
else
  # A header's finding comes once per file that includes it.
  grep -E '(error|warning):' build/tidy.log | sort -u || cat build/tidy.log
  echo "tidy: findings; build/tidy.log has them with their source lines"
fi
exit "$status"
