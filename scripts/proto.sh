#!/usr/bin/env bash
# Generates the committed code and Envoy's descriptor set from the protos (make proto).
# --check changes nothing and fails when the tree holds something else (make lint).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/tradewind.sh fetch protos
generate() {
    cargo run --quiet --locked --manifest-path scripts/codegen/Cargo.toml -- "$1" .local/protos
}

if [[ "${1:-}" != "--check" ]]; then
    generate .
    exit 0
fi

# In a copy: a check that repaired the tree would pass the second time.
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/gateway-envoy"
sources=(proto mesh/xds/proto mesh/examples/echo/proto)
generated=(proto/src/gen mesh/xds/src/gen mesh/examples/echo/src/gen gateway-envoy/shop.binpb)
for source in "${sources[@]}"; do
    if [[ -d "$source" ]]; then
        mkdir -p "$copy/$source"
        cp -R "$source/." "$copy/$source"
    fi
done
generate "$copy"
stale=0
for path in "${generated[@]}"; do
    if [[ -e "$path" || -e "$copy/$path" ]]; then
        diff --recursive --new-file --brief "$copy/$path" "$path" || stale=1
    fi
done
if ((stale)); then
    echo "generated code is not up to date: run make proto and commit the result" >&2
    exit 1
fi
