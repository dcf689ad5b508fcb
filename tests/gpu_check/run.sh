#!/usr/bin/env bash
# Everything that needs a GPU, in one go, into one file. Called by ./run gpu-check, which has built the program and the
# tests. What is not there (a card, compute-sanitizer, PyTorch) is left out, and the report says so. Ends with an error
# where something that could be tried went wrong.
#
# usage: run.sh [--only PARTS] [--rows PATTERNS] [REPORT]
#   --only    of tests,sanitizers,speed, with commas between them; all without it
#   --rows    of measure.py, with commas between them
#   REPORT    gpu-report.md without it
set -uo pipefail
cd "$(dirname "$0")/../.."
only=tests,sanitizers,speed rows='*' report=gpu-report.md
while [ $# -gt 0 ]; do
  case $1 in
    --only) only=${2:?--only wants parts}; shift ;;
    --rows) rows=${2:?--rows wants patterns}; shift ;;
    -*) echo "gpu-check has no option $1; there are --only and --rows" >&2; exit 2 ;;
    *) report=$1 ;;
  esac
  shift
done
for part in ${only//,/ }; do
  case $part in tests | sanitizers | speed) ;; *) echo "--only $part: the parts are tests, sanitizers and speed" >&2; exit 2 ;; esac
done
wanted() { [[ ,$only, == *",$1,"* ]]; }
logs=build/log/gpu-check
program=build/apps/tapeline tests=build/tests/ops/op_tests
python=${TAPELINE_BENCH_PYTHON:-build/bench-venv/bin/python}
failures=0
mkdir -p "$logs"

say() { printf '%s\n' "$@" | tee -a "$report"; }

# check NAME COMMAND...: a line in the report, and the end of the log where it failed.
check() {
  local name=$1 begin=$SECONDS log
  log=$logs/${name//[^a-z0-9]/-}.txt
  shift
  if timeout "${TAPELINE_CHECK_LIMIT:-600}" "$@" >"$log" 2>&1; then
    say "- $name: right, $((SECONDS - begin)) s. $(grep -E '^\[doctest\] assertions' "$log" | tail -n 1)"
  elif [ $? = 124 ]; then
    failures=$((failures + 1))
    say "- **$name: not done** after $((SECONDS - begin)) s (TAPELINE_CHECK_LIMIT=SECONDS gives it more); the log is $log"
  else
    failures=$((failures + 1))
    say "- **$name: wrong**, $((SECONDS - begin)) s; the whole log is $log" '' '```' "$(tail -n 25 "$log")" '```'
  fi
}

# devices KIND: the ids of the devices of a kind that can be used.
devices() {
  "$program" devices --json | python3 -c '
import json, sys
for device in json.load(sys.stdin):
    if device["usable"] and device["id"].split(":")[0] == sys.argv[1]:
        print(device["id"])' "$1"
}

: >"$report"
say "# GPU check" '' "$(date -u '+%Y-%m-%d %H:%M UTC'), $(git describe --always --dirty 2>/dev/null || echo 'no repository')" ''
say '```' "$("$program" devices)" '```' ''
command -v nvidia-smi >/dev/null && say '```' "$(nvidia-smi)" '```' ''

# cuBLAS may have come with PyTorch alone.
"$python" -c 'import torch' 2>/dev/null || python=python3
if "$program" devices 2>/dev/null | grep -q 'without cuBLAS'; then
  beside=$("$python" -c 'import nvidia; print(*nvidia.__path__)' 2>/dev/null)
  # shellcheck disable=SC2086  # a list of folders
  blas=$([ -n "$beside" ] && find $beside -name 'libcublas.so.*' -print -quit 2>/dev/null)
  if [ -n "$blas" ]; then
    LD_LIBRARY_PATH=$(dirname "$blas")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
    say "cuBLAS was found in $(dirname "$blas")." ''
  fi
fi

cuda=$(devices cuda) vulkan=$(devices vulkan)
gpus="$cuda $vulkan"
for kind in cuda vulkan; do
  found=${!kind}
  [ -n "$found" ] || { say "No $kind device can be used here: nothing of $kind was checked." ''; continue; }
  wanted tests || continue
  say "## $kind" ''
  check "$kind, table of kernels" env TAPELINE_TEST_DEVICE="$kind" "$tests"
  [ "$kind" = cuda ] && check "cuda, table of kernels, without cuBLAS" env TAPELINE_TEST_DEVICE=cuda TAPELINE_CUDA_BLAS=0 "$tests"
  if [ "$kind" = vulkan ]; then
    for tiles in shared cooperative; do
      check "vulkan, products in fp16, $tiles" env TAPELINE_TEST_DEVICE=vulkan TAPELINE_VULKAN_TILES=$tiles "$tests" -tc='*in bf16 and fp16'
    done
  fi
  for device in $found; do
    for preset in captcha crnn-body; do
      check "$device, $preset beside the CPU, layer by layer" "$program" verify --preset "$preset" --devices "$device"
    done
  done
  say ''
done

# What takes less time and tells more comes first, in case the time runs out.
if wanted speed; then
  for device in $gpus; do
    say "## Speed of $device" ''
    "$python" tests/gpu_check/floors.py "$device" 2>&1 | tee -a "$report" || failures=$((failures + 1))
    say '' "Kernel by kernel, one training step of crnn-body at batch 512:" '' '```' \
      "$("$program" profile --preset crnn-body --charset 0123456789abcdefghijklmnopqrstuvwxyz --mode train --batch 512 --device "$device" 2>&1 | head -n 60)" '```' ''
    "$python" tests/gpu_check/measure.py "$device" --rows "$rows" 2>&1 | tee -a "$report" || failures=$((failures + 1))
    say ''
    [[ $device = vulkan* ]] || continue
    for precision in fp32 fp16; do
      say "Variants in $precision (cooperative matrices are one in fp16, where the device has them):" '' '```' \
        "$(TAPELINE_CACHE=$logs/cache "$program" bench --tune --device "$device" --precision $precision 2>&1)" '```' ''
    done
  done
  [ -n "${gpus// /}" ] || say "No GPU: nothing was measured."
fi

if [ -n "$cuda" ] && wanted sanitizers; then
  say "## compute-sanitizer" ''
  if sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null); then
    for tool in memcheck racecheck initcheck synccheck; do
      check "cuda, compute-sanitizer $tool" env TAPELINE_TEST_DEVICE=cuda "$sanitizer" --tool "$tool" --error-exitcode 9 "$tests"
    done
  else
    say "- compute-sanitizer is not installed: memory, races, initialisation and barriers were not checked."
  fi
fi

say '' "$([ "$failures" = 0 ] && echo 'Nothing went wrong.' || echo "$failures checks went wrong.")"
[ "$failures" = 0 ]
