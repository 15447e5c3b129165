#!/usr/bin/env bash
# Runs the benchmarks from anywhere: bench/run.sh [BENCHMARK]..., or all of them.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PYTHONPATH="$here:$here/../scripts" exec python3 -B -m tradewind_bench "$@"
