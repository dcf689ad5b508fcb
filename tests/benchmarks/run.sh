#!/usr/bin/env bash
# Measures Tapeline beside PyTorch, onnxruntime and ncnn, in one run on this machine. Called by ./run bench, which has
# built the programs; the arguments are those of benchmark.py (--help tells), which also makes a Python for the peers.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v python3 >/dev/null; then
  echo "run.sh: python3 is missing; install it (Debian: apt-get install python3 python3-venv)" >&2
  exit 1
fi
exec python3 tests/benchmarks/benchmark.py "$@"
