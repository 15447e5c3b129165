#!/usr/bin/env bash
# Writes the generated code and the descriptor set anew; with --check, fails if that changes anything.
set -euo pipefail
cd "$(dirname "$0")/.."

GOOGLE_PROTOS=1.76.0 # PyPI googleapis-common-protos: google/api, google/rpc and google/type
protos=.local/googleapis/$GOOGLE_PROTOS
if [ ! -f "$protos/google/api/annotations.proto" ]; then
  echo "proto: fetching googleapis-common-protos $GOOGLE_PROTOS"
  mkdir -p "$protos"
  python3 -m pip install --quiet --no-deps --root-user-action ignore \
    --target "$protos" "googleapis-common-protos==$GOOGLE_PROTOS"
fi

generated=(proto/src/gen mesh/xds/src/gen mesh/examples/echo/src/gen gateway-envoy/shop.binpb)
fingerprint() {
  for path in "${generated[@]}"; do
    [ ! -e "$path" ] || find "$path" -type f -print0
  done | sort -z | xargs -0 -r sha256sum
}

before=$(fingerprint)
cargo run --quiet --locked --manifest-path scripts/codegen/Cargo.toml -- . "$protos"
if [ "${1:-}" = "--check" ] && [ "$before" != "$(fingerprint)" ]; then
  echo "proto: the generated code does not match the protos: run 'make proto' and commit" >&2
  exit 1
fi
