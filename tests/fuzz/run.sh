#!/usr/bin/env bash
# run.sh [--minutes N] [--folder DIR] [TARGET...]: builds the fuzz targets with clang, under the address and the
# undefined-behaviour sanitizer, and lets libFuzzer loose on each in turn, a few minutes at a time, until each has had N
# minutes of processor time (1 unless given). What earlier runs did counts: their corpus and sums are kept in DIR
# (build-fuzz/work unless given), so that one can stop at any time and go on later.
#   DIR/corpus/TARGET/   inputs that reach something new
#   DIR/found/           inputs that break a target; run.sh ends with status 1 then
#   DIR/logs/            what libFuzzer said; TARGET.total holds executions and seconds of all runs
# Exit status 77 where clang or its libFuzzer is missing. TAPELINE_FUZZ_BUILD is the folder to build in (build-fuzz).
set -euo pipefail
cd "$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)"

minutes=1 build=${TAPELINE_FUZZ_BUILD:-build-fuzz} targets=()
folder=$build/work
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) minutes=${2:?} && shift ;;
    --folder) folder=${2:?} && shift ;;
    -*) echo 'usage: tests/fuzz/run.sh [--minutes N] [--folder DIR] [TARGET...]' >&2; exit 2 ;;
    *) targets+=("$1") ;;
  esac
  shift
done
[ ${#targets[@]} -gt 0 ] || targets=(charset checkpoint data labels list network options picture safetensors tar)

command -v clang++ >/dev/null || { echo 'run.sh: there is no clang++' >&2; exit 77; }
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
  clang++ -fsanitize=fuzzer -x c++ - -o /dev/null 2>/dev/null || { echo 'run.sh: clang++ has no libFuzzer' >&2; exit 77; }
options=(-Dfuzz=true -Dcuda=disabled -Dvulkan=disabled -Dbuildtype=debug -Doptimization=2 -Db_lundef=false
  -Db_sanitize=address,undefined
  "-Dcpp_args=-g1 -fsanitize=fuzzer-no-link,float-cast-overflow -fno-sanitize=vptr -fno-sanitize-recover=all")
if [ "${options[*]}" != "$(cat "$build/options.txt" 2>/dev/null)" ]; then
  if [ -f "$build/build.ninja" ]; then
    meson configure "$build" "${options[@]}"
  else
    CXX="${CCACHE:+ccache }clang++" meson setup "$build" "${options[@]}" >/dev/null
  fi
  echo "${options[*]}" >"$build/options.txt"
fi
ninja -C "$build" tests/fuzz/fuzzer tests/fuzz/write_seeds >"$build/compile.txt" || { tail -n 30 "$build/compile.txt"; exit 1; }
program=$build/tests/fuzz/fuzzer

mkdir -p "$folder"/{found,logs} "${targets[@]/#/$folder/corpus/}"
fuzzing='' stopped=no
trap 'rm -f "$folder/logs/times.$$"' EXIT
trap 'stopped=yes; [ -z "$fuzzing" ] || kill -TERM "$fuzzing" 2>/dev/null || true' INT TERM

total() { # TARGET: "EXECUTIONS SECONDS" of all runs
  cat "$folder/logs/$1.total" 2>/dev/null || echo 0 0
}

used=0
processor_seconds() { # sets `used`: what the children that have ended took
  times >"$folder/logs/times.$$"
  used=$(awk -F '[ms ]+' 'NR == 2 { print int($1 * 60 + $2 + $3 * 60 + $4 + .5) }' "$folder/logs/times.$$")
}

fuzz() { # TARGET SECONDS: one turn; its executions and processor seconds are added to the total
  local target=$1 log=$folder/logs/$1.txt status=0 executions before began
  "$build/tests/fuzz/write_seeds" "$folder/corpus/$target" "$target"
  processor_seconds
  began=$used
  # A unit takes milliseconds; the limit is for machines that stop us now and then.
  TAPELINE_FUZZ=$target "$program" -max_total_time="$2" -max_len=65536 -len_control=100 -timeout=120 -report_slow_units=120 \
    -malloc_limit_mb=256 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$folder/found/$target-" \
    "$folder/corpus/$target" >"$log" 2>&1 &
  fuzzing=$!
  wait "$fuzzing" || status=$?
  # A signal ends the wait, and libFuzzer, with its sums still to come.
  if [ $stopped = yes ]; then
    wait "$fuzzing" || true
    status=0
  fi
  fuzzing=
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  processor_seconds
  read -ra before < <(total "$target")
  echo "$((before[0] + ${executions:-0})) $((before[1] + used - began))" >"$folder/logs/$target.total"
  [ "$status" = 0 ] || cp "$log" "$folder/found/$target-$(date +%s).txt"
  return "$status"
}

status=0
failed=' '
for ((more = 1; more;)); do
  more=0
  for target in "${targets[@]}"; do
    read -ra had < <(total "$target")
    left=$((60 * minutes - had[1]))
    if [ "$left" -le 0 ] || [[ $failed == *" $target "* ]]; then continue; fi
    fuzz "$target" "$((left < 300 ? left : 300))" || { failed+="$target " status=1; continue; }
    [ $stopped = no ] || break 2
    more=1
  done
done

for target in "${targets[@]}"; do
  read -ra had < <(total "$target")
  printf '%-12s %12s executions %6s s %6s inputs kept%s\n' "$target" "${had[@]}" \
    "$(find "$folder/corpus/$target" -type f | wc -l)" "$([[ $failed == *" $target "* ]] && echo "   FAILED: see $folder/found" || true)"
done
[ $stopped = no ] || exit 130
exit $status
