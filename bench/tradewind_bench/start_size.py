"""From `make up` on a warm machine to the first paid order, and what everything weighs then."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from tradewind import lifecycle, paths, shop as walker
from tradewind.console import Failure
from tradewind.instance import SERVICES
from tradewind_bench import shopfront
from tradewind_bench.counters import family
from tradewind_bench.ends import resident_bytes
from tradewind_bench.report import Report, table
from tradewind_bench.shopfront import Shopfront

# After the first order, until buffers and start-up threads have settled.
IDLE_SECONDS = 10
BINARIES = (*SERVICES, "meshd", "mesh-sidecar", "psp-sim")
MIB = 2**20


def run(report: Report) -> None:
    starts = []
    with Shopfront(report.build) as shop:
        # The first start makes the databases and topics; `make up` after `make down` finds them.
        walker.seed(shop.instance)
        for _ in range(1 if report.quick else report.rounds):
            lifecycle.stop(shop.instance)
            starts.append(_start(shop, report.build))
        time.sleep(0 if report.quick else IDLE_SECONDS)
        memory = _memory(shop)
    sizes = {name: paths.binary(name).stat().st_size / MIB for name in BINARIES}
    report.keep("start_seconds", starts)
    report.keep("memory_mib", memory)
    report.keep("binary_mib", sizes)
    table(
        "warm start to the first paid order, s (aim <= 20)",
        ("", "built", "ready", "paid and mailed"),
        [("median", *(f"{statistics.median(column):.1f}" for column in zip(*starts)))],
    )
    rows = [(name, f"{rss:.0f}", f"{pss:.0f}") for name, (rss, pss) in memory.items()]
    total = [sum(column) for column in zip(*memory.values())]
    table(
        "memory when idle, MiB (aims: a Rust process <= 40, all <= 1229)",
        ("process", "resident", "its share"),
        [*rows, ("all", *(f"{value:.0f}" for value in total))],
    )
    table("binaries, MiB", ("binary", "MiB"), ((n, f"{size:.1f}") for n, size in sizes.items()))


def _start(shop: Shopfront, build: bool) -> tuple[float, float, float]:
    """Seconds since the command until built, until all are ready, until the order's last mail."""
    began = time.monotonic()
    if build:
        shopfront.build()
    built = time.monotonic() - began
    shop.start()
    ready = time.monotonic() - began
    walker.seed(shop.instance)
    if not walker.walk(shop.instance, "tok_ok"):
        raise Failure("the first order was not paid")
    return built, ready, time.monotonic() - began


def _memory(shop: Shopfront) -> dict[str, tuple[float, float]]:
    """Resident memory, and the share of it that is not another process's as well."""
    memory = {}
    for name, state in shop.supervisor.states().items():
        members = list(family(state["pid"]))
        resident = sum(resident_bytes(pid) for pid in members)
        memory[name] = (resident / MIB, sum(_share(pid) for pid in members) / MIB)
    supervisor = shop.supervisor.pid()
    memory["supervisord"] = (resident_bytes(supervisor) / MIB, _share(supervisor) / MIB)
    return memory


def _share(pid: int) -> float:
    """PSS: PostgreSQL's processes have the same buffers mapped, and each counts them whole."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1]) * 1024
    return 0.0
