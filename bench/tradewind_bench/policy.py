"""A decision of the policy engine: from one to ten thousand policies, beside a naive evaluator."""

from __future__ import annotations

import json
import statistics
import subprocess
from typing import Any

from tradewind import paths
from tradewind.console import Failure, say
from tradewind_bench.report import Report, table

PROGRAM = "policy-bench"
AIMS = "aims at 10,000 policies: p50 <= 1 us, p99 <= 5 us, one change <= 10 ms"


def run(report: Report) -> None:
    if report.build:
        _build()
    rounds = [_round(report.quick) for _ in range(report.rounds)]
    report.keep("policy", rounds)
    sizes = [
        {"policies": size[0]["policies"], "rounds": size}
        for size in zip(*(own["mix"] for own in rounds))
    ]
    table(
        f"one decision, 10 rules per policy, all of them select the workload ({AIMS})",
        ("policies", "request", "p50 ns", "p99 ns", "allocations", "naive p50 us", "naive p99 us"),
        [row for size in sizes for row in _decision_rows(size)],
    )
    table(
        "compiling",
        ("policies", "rules", "ms", "bytes per rule", "one change us"),
        [
            (
                size["policies"], size["rounds"][0]["rules"],
                f"{_middle(size['rounds'], 'compile_ms'):.1f}",
                f"{_middle(size['rounds'], 'bytes_per_rule'):.0f}",
                f"{_middle(size['rounds'], 'recompile_us'):.0f}",
            )
            for size in sizes
        ],
    )
    ztunnel = [own["ztunnel"] for own in rounds]
    ours, naive = ([own[name] for own in ztunnel] for name in ("engine", "naive"))
    table(
        "ztunnel's workload: 10,000 policies of 10 rules, one decision that none of them takes",
        ("evaluator", "p50 ns", "p99 ns"),
        [
            (name, f"{_middle(own, 'p50_ns'):.0f}", f"{_middle(own, 'p99_ns'):.0f}")
            for name, own in (("engine", ours), ("naive", naive))
        ],
    )


def _decision_rows(size: dict[str, Any]) -> list[tuple[Any, ...]]:
    rows = []
    for name in size["rounds"][0]["decisions"]:
        decisions = [own["decisions"][name] for own in size["rounds"]]
        ours, naive = ([own[kind] for own in decisions] for kind in ("engine", "naive"))
        rows.append((
            size["policies"], name,
            f"{_middle(ours, 'p50_ns'):.0f}", f"{_middle(ours, 'p99_ns'):.0f}",
            f"{_middle(ours, 'allocations'):.0f}",
            f"{_middle(naive, 'p50_ns') / 1e3:.1f}", f"{_middle(naive, 'p99_ns') / 1e3:.1f}",
        ))
    return rows


def _middle(rounds: list[dict[str, Any]], key: str) -> float:
    return statistics.median(own[key] for own in rounds)


def _round(quick: bool) -> dict[str, Any]:
    command = [str(paths.target_dir() / "release" / PROGRAM), *(["--quick"] if quick else [])]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"{PROGRAM} failed: {result.stderr.strip()}")
    return json.loads(result.stdout)


def _build() -> None:
    say("building the engine in release")
    command = [
        "cargo", "build", "--release", "--locked", "--package", PROGRAM,
        "--manifest-path", str(paths.ROOT / "bench" / "Cargo.toml"),
        "--target-dir", str(paths.target_dir()),
    ]
    if subprocess.run(command, cwd=paths.ROOT, check=False).returncode != 0:
        raise Failure("cargo build failed")
