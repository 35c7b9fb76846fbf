#!/usr/bin/env bash
# Submits a planned sweep to Slurm: an array whose elements share the tasks, and a merge after it.
#
# Usage: tools/slurm/submit.sh RUN [--elements N] [--program PATH] [SBATCH-FLAG...]
#   RUN            folder of `contourfuse sweep plan`, on storage that every node sees
#   --elements N   elements of the array (default: one a task, or as many as the cluster allows)
#   --program P    the contourfuse that the nodes run (default: the one on the PATH)
#   --device D     as contourfuse has it (default: cuda if GPUs are asked for, else cpu)
#   other flags    go to sbatch, for instance -p PARTITION -A ACCOUNT --cpus-per-task=16 --mem=8G
#                  --time=30 --gres=gpu:1; partition, account, QOS and reservation also to the merge
#
# Submit again after a failure: what is finished is not done again.
set -euo pipefail

fail() { echo "submit: $*" >&2; exit 2; }

run='' elements='' program=contourfuse device=''
worker_flags=() merge_flags=()
while (($#)); do
  case $1 in
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    --elements) elements=${2-}; shift ;;
    --elements=*) elements=${1#*=} ;;
    --program) program=${2-}; shift ;;
    --program=*) program=${1#*=} ;;
    --device) device=${2-}; shift ;;
    --device=*) device=${1#*=} ;;
    -[pAq] | --partition | --account | --qos | --reservation)
      (($# > 1)) || fail "$1 needs a value"
      worker_flags+=("$1" "$2") merge_flags+=("$1" "$2")
      shift
      ;;
    -[pAq]?* | --partition=* | --account=* | --qos=* | --reservation=*)
      worker_flags+=("$1") merge_flags+=("$1")
      ;;
    *)
      if [[ -z $run && $1 != -* ]]; then run=$1; else worker_flags+=("$1"); fi
      ;;
  esac
  shift
done
[[ -n $run ]] || fail "which RUN? (see --help)"
[[ -f $run/plan.json ]] || fail "$run holds no plan.json: make one with contourfuse sweep plan"
run=$(realpath "$run")
program=$(realpath "$(command -v "$program")") || fail "no program $program: see --program"
script=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/sweep.sbatch

tasks=$(python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["tasks"]))' \
  "$run/plan.json") || fail "cannot count the tasks in $run/plan.json"
most=$(scontrol show config | sed -n 's/^MaxArraySize *= *//p')
elements=${elements:-$tasks}
[[ $elements =~ ^[1-9][0-9]*$ ]] || fail "--elements $elements is no number of elements"
((elements <= tasks)) || elements=$tasks
((elements <= ${most:-1001})) || elements=${most:-1001}
# Never by what a node happens to have: parts of one sweep are to come from like devices.
asks_for_gpus=' (--gpus|-G|--gres[= ][^ ]*gpu)'
if [[ -z $device ]]; then
  if [[ " ${worker_flags[*]-}" =~ $asks_for_gpus ]]; then device=cuda; else device=cpu; fi
fi

logs=$run/logs
mkdir -p "$logs"
array=$(sbatch --parsable --array="0-$((elements - 1))" --output="$logs/work-%a.log" \
  ${worker_flags[@]+"${worker_flags[@]}"} "$script" work "$program" "$run" "$device")
array=${array%%;*}
# afterany: the merge says what is missing if an element failed; afterok would never let it run.
merge=$(sbatch --parsable --dependency="afterany:$array" --output="$logs/merge.log" --time=10 \
  --open-mode=truncate ${merge_flags[@]+"${merge_flags[@]}"} "$script" merge "$program" "$run")
echo "submitted: array $array, $elements elements for $tasks tasks on $device; merge ${merge%%;*}"
echo "logs: $logs; results: $run/results.csv and report.html"
