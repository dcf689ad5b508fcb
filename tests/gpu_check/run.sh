#!/usr/bin/env bash
# Everything that needs a GPU, in one go, into one file. Called by ./run gpu-check, which has built the program and the
# tests. What is not there (a card, compute-sanitizer, PyTorch) is left out, and the report says so. Ends with an error
# where something that could be tried went wrong.
#
# usage: run.sh [REPORT]   (gpu-report.md)
set -uo pipefail
cd "$(dirname "$0")/../.."
report=${1:-gpu-report.md}
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
  if timeout "${TAPELINE_CHECK_LIMIT:-1800}" "$@" >"$log" 2>&1; then
    say "- $name: right, $((SECONDS - begin)) s. $(grep -E '^\[doctest\] assertions' "$log" | tail -n 1)"
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

bench() { # DEVICE PRESET MODE BATCH: "MEDIAN-MS IMAGES-A-SECOND"
  "$program" bench --preset "$2" --charset 0123456789abcdefghijklmnopqrstuvwxyz --mode "$3" --batch "$4" --device "$1" --json 2>/dev/null |
    python3 -c '
import json, sys
ms = json.loads(sys.stdin.read().strip().splitlines()[-1])["median_ms"]
print(f"{ms:.3f} {1e3 * int(sys.argv[1]) / ms:.0f}")' "$4" 2>/dev/null || echo "failed -"
}

: >"$report"
say "# GPU check" '' "$(date -u '+%Y-%m-%d %H:%M UTC'), $(git describe --always --dirty 2>/dev/null || echo 'no repository')" ''
say '```' "$("$program" devices)" '```' ''
command -v nvidia-smi >/dev/null && say '```' "$(nvidia-smi)" '```' ''

gpus=''
for kind in cuda vulkan; do
  found=$(devices "$kind")
  gpus="$gpus $found"
  [ -n "$found" ] || { say "No $kind device can be used here: nothing of $kind was checked." ''; continue; }
  say "## $kind" ''
  check "$kind, table of kernels" env TAPELINE_TEST_DEVICE="$kind" "$tests"
  if [ "$kind" = cuda ]; then
    check "cuda, table of kernels, without cuBLAS" env TAPELINE_TEST_DEVICE=cuda TAPELINE_CUDA_BLAS=0 "$tests"
    if sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null); then
      for tool in memcheck racecheck initcheck synccheck; do
        check "cuda, compute-sanitizer $tool" env TAPELINE_TEST_DEVICE=cuda "$sanitizer" --tool "$tool" --error-exitcode 9 "$tests"
      done
    else
      say "- compute-sanitizer is not installed: memory, races, initialisation and barriers were not checked."
    fi
  fi
  if "$program" verify --help >/dev/null 2>&1; then
    for device in $found; do check "$device, verify" "$program" verify --device "$device"; done
  fi
  say ''
done

for device in $gpus; do
  say "## Speed of $device" '' '| network | what | batch | ms | images/s |' '|---|---|---|---|---|'
  for preset in captcha crnn-body; do
    for work in 'train 64' 'train 512' 'train 4096' 'infer 1' 'infer 512'; do
      # shellcheck disable=SC2086
      set -- $work
      read -r ms rate <<<"$(bench "$device" "$preset" "$1" "$2")"
      say "| $preset | $1 | $2 | $ms | $rate |"
    done
  done
  say '' "Kernel by kernel, one training step of crnn-body at batch 512:" '' '```' \
    "$("$program" profile --preset crnn-body --charset 0123456789abcdefghijklmnopqrstuvwxyz --mode train --batch 512 --device "$device" 2>&1 | head -n 60)" '```' ''
done

if [ -z "${gpus// /}" ]; then
  say "No GPU: nothing was measured."
elif "$python" -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  say "## PyTorch on the same card" ''
  "$python" tests/gpu_check/peer.py 2>&1 | tee -a "$report"
else
  say "No PyTorch that can use this card ($python; TAPELINE_BENCH_PYTHON names another): there is nothing to compare with."
fi

say '' "$([ "$failures" = 0 ] && echo 'Nothing went wrong.' || echo "$failures checks went wrong.")"
[ "$failures" = 0 ]
