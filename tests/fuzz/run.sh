#!/usr/bin/env bash
# run.sh SECONDS [TARGET...]: builds the fuzz targets with clang into build-fuzz/ and lets libFuzzer loose on each for so
# many seconds (all of them unless some are named). What it finds lies in build-fuzz/found/; the corpus stays in
# build-fuzz/corpus/. Exit status 77 where clang or its libFuzzer is missing.
set -euo pipefail
cd "$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)"

seconds=${1:?usage: tests/fuzz/run.sh SECONDS [TARGET...]}
shift
targets=("$@")
[ $# -gt 0 ] || targets=(charset checkpoint data labels list network options picture safetensors tar)

command -v clang++ >/dev/null || { echo 'run.sh: there is no clang++' >&2; exit 77; }
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
  clang++ -fsanitize=fuzzer -x c++ - -o /dev/null 2>/dev/null || { echo 'run.sh: clang++ has no libFuzzer' >&2; exit 77; }
[ -f build-fuzz/build.ninja ] ||
  CXX="${CCACHE:+ccache }clang++" meson setup build-fuzz -Dfuzz=true -Dbuildtype=debug -Doptimization=1 -Db_lundef=false \
    -Db_sanitize=address,undefined "-Dcpp_args=-g1 -fsanitize=fuzzer-no-link -fno-sanitize=vptr" >/dev/null
ninja -C build-fuzz tests/fuzz/fuzzer tests/fuzz/write_seeds >build-fuzz/compile.txt || { tail -n 30 build-fuzz/compile.txt; exit 1; }

mkdir -p build-fuzz/found
status=0
for target in "${targets[@]}"; do
  corpus=build-fuzz/corpus/$target
  mkdir -p "$corpus"
  build-fuzz/tests/fuzz/write_seeds "$corpus" "$target"
  log=build-fuzz/found/$target.txt
  if TAPELINE_FUZZ=$target build-fuzz/tests/fuzz/fuzzer -max_total_time="$seconds" -max_len=65536 -timeout=10 \
    -malloc_limit_mb=256 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="build-fuzz/found/$target-" "$corpus" >"$log" 2>&1
  then
    printf '%-12s %10s executions\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
  else
    printf '%-12s FAILED, see %s\n' "$target" "$log"
    status=1
  fi
done
exit $status
