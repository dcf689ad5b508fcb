#!/usr/bin/env bash
# Measures build/apps/tapeline beside PyTorch, in one run on this machine. Called by ./run bench, which has built the
# program; arguments go to compare.py (--help tells). PyTorch is put into .venv-bench the first time (6 GB, some
# minutes); TAPELINE_BENCH_PYTHON names a Python that has it already.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${TAPELINE_BENCH_PYTHON:-.venv-bench/bin/python}
if [ ! -x "$python" ]; then
  echo "Making .venv-bench with PyTorch (6 GB; set TAPELINE_BENCH_PYTHON to use another) ..."
  python3 -m venv .venv-bench || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
  .venv-bench/bin/pip install --quiet torch numpy
fi
exec "$python" tests/benchmarks/compare.py "$@"
