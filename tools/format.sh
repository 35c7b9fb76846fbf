#!/usr/bin/env bash
# Formats every C++ file in place, or with --check says which are not formatted (exit status 1).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=(-i)
[[ "${1:-}" == --check ]] && mode=(--dry-run -Werror)
folders=()
for folder in include src cuda tools tests bench; do
  [[ -d $folder ]] && folders+=("$folder")
done
# Formatting differs from one major version to the next; .clang-format is written for 14.
formatter=$(command -v clang-format-14 || command -v clang-format)
find "${folders[@]}" \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cuh' -o -name '*.cu' \) -print0 |
  xargs -0 -r "$formatter" "${mode[@]}"
[[ "${1:-}" == --check ]] && echo "format: every file is as .clang-format wants it"
exit 0
