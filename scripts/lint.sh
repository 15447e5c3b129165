#!/usr/bin/env bash
# Everything that can be said about the tree without running it (make lint). All checks run, and
# the failed ones are named at the end.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

MAX_FILE_LINES=500
MAX_COLUMNS=100
failed=()

check() {
    local name="$1"
    shift
    echo "== $name"
    "$@" || failed+=("$name")
}

# Tracked files and new ones, without what is generated.
sources() {
    git ls-files --cached --others --exclude-standard -- "$@" | grep -v '/src/gen/' |
        while read -r file; do if [[ -f "$file" ]]; then echo "$file"; fi; done
}

shell_scripts() {
    mapfile -t scripts < <(sources 'scripts/*.sh' scripts/token .ci/run bench/run.sh)
    .local/lint/bin/shellcheck --external-sources "${scripts[@]}"
}

# A file that is longer has more than one responsibility.
file_lengths() {
    local long
    long="$(sources '*.rs' '*.py' '*.sh' | xargs wc -l |
        awk -v max="$MAX_FILE_LINES" '$2 != "total" && $1 > max')"
    if [[ -n "$long" ]]; then
        echo "longer than $MAX_FILE_LINES lines:"
        echo "$long"
        return 1
    fi
}

# rustfmt keeps Rust within its columns; nothing does that for the others.
columns() {
    ! sources '*.py' '*.sh' | xargs grep -nE "^.{$((MAX_COLUMNS + 1)),}$"
}

python_compiles() {
    mapfile -t files < <(sources 'scripts/*.py' 'bench/*.py')
    python3 -B -c '
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path).read(), path)
' "${files[@]}"
}

# The mesh owns its connections: tonic's own server and channel can neither rotate without lost
# calls nor end one stream. clippy refuses the types; this also finds the module in a `use`. The
# benchmarks are exempt: there it is the yardstick, in a workspace that no service is part of.
no_tonic_transport() {
    local found
    found="$(sources '*.rs' | grep -v '^bench/' |
        xargs grep -nE '(tonic::transport|transport::(Server|Channel))\b' |
        grep -vE ':[0-9]+: *//')"
    if [[ -n "$found" ]]; then
        echo "$found"
        return 1
    fi
}

# buf wants every import inside its module, so the public protos stand beside ours for a moment.
protos() {
    local module status=0
    module="$(mktemp -d)"
    cp -r proto/shop proto/buf.yaml .local/protos/google "$module/"
    (cd "$module" && "$OLDPWD/.local/lint/bin/buf" lint --path shop) || status=1
    rm -rf "$module"
    return $status
}

scripts/tradewind.sh fetch lint protos || exit 1
check "format" cargo fmt --all --check
check "file lengths" file_lengths
check "columns" columns
check "python" python_compiles
check "platform tests" python3 -B scripts/tests/test_platform.py --quiet
check "shell scripts" shell_scripts
check "protos" protos
check "spelling" .local/lint/bin/typos --config .typos.toml
check "forbidden edges" scripts/check-edges.sh
check "tonic::transport" no_tonic_transport
check "generated code" scripts/proto.sh --check
# The profile of the tests, so that both share what is compiled.
check "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
# A workspace of their own; the same target folder, so that both share what is compiled.
check "format of bench" cargo fmt --manifest-path bench/Cargo.toml --check
check "clippy of bench" cargo clippy --manifest-path bench/Cargo.toml --target-dir target \
    --all-targets --locked -- -D warnings

if ((${#failed[@]})); then
    printf '\nfailed: %s\n' "$(IFS=','; echo "${failed[*]}")"
    exit 1
fi
echo "lint: all well"
