#!/usr/bin/env bash
# Runs the benchmarks from anywhere: bench/run.sh [mesh_tax|handshakes|order_cost|start_size|policy]...
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PYTHONPATH="$here:$here/../scripts" exec python3 -B -m tradewind_bench "$@"
