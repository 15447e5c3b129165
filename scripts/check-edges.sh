#!/usr/bin/env bash
# Asserts the dependencies that must not exist (see scripts/tradewind/edges.py).
exec "$(dirname "${BASH_SOURCE[0]}")/tradewind.sh" edges
