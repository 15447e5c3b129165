#!/usr/bin/env bash
# Runs the platform's commands (scripts/tradewind) from anywhere: scripts/tradewind.sh --help
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# -B: a checkout stays free of __pycache__, also when it is read-only for the caller.
PYTHONPATH="$here" exec python3 -B -m tradewind "$@"
