#!/usr/bin/env bash
# test.sh PROGRAM OPS_BENCH: benchmark_test.py; status 77 (skipped) where there is no Python.
command -v python3 >/dev/null || exit 77
exec python3 -B "$(dirname "$0")/benchmark_test.py" "$@"
