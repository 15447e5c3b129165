"""What one order costs from POST to its last mail, on an instance of its own.

The same length of time is measured with orders and without; the difference is the orders', the rest
is what an idle shop uses anyway.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tradewind.console import say, show
from tradewind.instance import SERVICES
from tradewind_bench import replay, statements
from tradewind_bench.counters import STATISTICS_SECONDS, Counters
from tradewind_bench.report import Report, table
from tradewind_bench.shopfront import Shopfront

WARM_ORDERS, WARM_ORDERS_QUICK = 100, 10
ORDERS, ORDERS_QUICK = 200, 20  # of each round
WORKERS = 4  # customers at a time while costs are counted
IDLE_ORDERS, IDLE_ORDERS_QUICK = 60, 10
IDLE_PAUSE_SECONDS = 0.3
SATURATION_WORKERS = (8, 32)
HALF = 0  # customers of the last window: as many as it takes for half of the best rate
SATURATION_SECONDS, SATURATION_SECONDS_QUICK = 20, 5
RUST = (*SERVICES, "meshd", "gateway-agent")


def run(report: Report) -> None:
    with Shopfront(report.build) as shop:
        shop.stock()
        say("warming up")
        shop.orders(WARM_ORDERS_QUICK if report.quick else WARM_ORDERS, WORKERS)
        shop.settle()
        with tempfile.TemporaryDirectory() as folder:
            files = _record(shop, Path(folder))
            rounds = [_round(shop, report, files) for _ in range(report.rounds)]
        report.keep("rounds", rounds)
        _cost_table(rounds)
        report.keep("statements", _statements(shop))
        report.keep("idle", _idle(shop, report))
        report.keep("saturation", _saturation(shop, report))


def _record(shop: Shopfront, folder: Path) -> dict[str, Path]:
    """The statements of one order, for pgbench, and copies of the databases to run them on."""
    lines = statements.lines_of_one_order(shop)
    replay.copy(shop)
    files = {}
    for database, script in replay.scripts(lines, shop.fixed_ids()).items():
        files[database] = folder / f"{database}.sql"
        files[database].write_text(script)
    return files


def _round(shop: Shopfront, report: Report, files: dict[str, Path]) -> dict[str, Any]:
    """One window with orders, one of the same length without, one with their statements alone."""
    count = ORDERS_QUICK if report.quick else ORDERS
    say(f"counting the cost of {count} orders")
    time.sleep(STATISTICS_SECONDS)
    began, first = time.monotonic(), Counters.of(shop)
    shop.orders(count, WORKERS)
    shop.settle()
    time.sleep(STATISTICS_SECONDS)
    second, length = Counters.of(shop), time.monotonic() - began
    time.sleep(max(0.0, length))
    busy, idle = second.since(first), Counters.of(shop).since(second)
    per_order = {
        f"CPU ms {name}": (used - idle.cpu_seconds[name]) * 1000 / count
        for name, used in busy.cpu_seconds.items()
    }
    per_order |= {f"records {name}": used / count for name, used in busy.records.items() if used}
    per_order["transactions that write"] = (busy.writes - idle.writes) / count
    per_order["WAL bytes"] = (busy.wal_bytes - idle.wal_bytes) / count
    per_order["WAL fsyncs"] = (busy.wal_fsyncs - idle.wal_fsyncs) / count
    replayed = _replay(shop, files, count, idle.cpu_seconds["postgres"] / length)
    per_order["CPU ms postgres, pgbench alone"] = replayed
    per_order["CPU postgres / pgbench alone"] = per_order["CPU ms postgres"] / replayed
    rust = sum(per_order[f"CPU ms {name}"] for name in RUST)
    per_order["CPU ms all Rust services"] = rust
    per_order["CPU Rust / PostgreSQL"] = rust / per_order["CPU ms postgres"]
    per_order["records all"] = sum(busy.records.values()) / count
    idle_rate = {
        **{f"CPU ms/s {name}": used * 1000 / length for name, used in idle.cpu_seconds.items()},
        **{f"transactions/s {name}": used / length for name, used in idle.transactions.items()},
        "transactions that write/s": idle.writes / length,
        "WAL bytes/s": idle.wal_bytes / length,
    }
    return {"orders": count, "seconds": length, "per_order": per_order, "idle": idle_rate}


def _replay(shop: Shopfront, files: dict[str, Path], count: int, idle: float) -> float:
    """CPU ms of PostgreSQL for the statements of one order; `idle` is what it uses per second."""
    time.sleep(STATISTICS_SECONDS)
    began, first = time.monotonic(), Counters.of(shop)
    replay.run(shop, files, WORKERS, count // WORKERS)
    used = Counters.of(shop).since(first).cpu_seconds["postgres"]
    used -= idle * (time.monotonic() - began)
    return used * 1000 / (count // WORKERS * WORKERS)


def _cost_table(rounds: list[dict[str, Any]]) -> None:
    for key, title in (
        ("per_order", "per order, what an idle shop uses taken off"), ("idle", "an idle shop"),
    ):
        rows = []
        for name in rounds[0][key]:
            values = [each[key].get(name, 0.0) for each in rounds]
            rows.append((
                name, f"{statistics.median(values):.2f}", f"{min(values):.2f}",
                f"{max(values):.2f}",
            ))
        table(title, ("", "median", "least", "most"), rows)


def _statements(shop: Shopfront) -> list[dict[str, Any]]:
    """Every transaction of one order, as PostgreSQL logs it."""
    seen = statements.of_one_order(shop)
    for writes, title in ((True, "that write"), (False, "that only read")):
        chosen = [each for each in seen if each["writes"] is writes]
        total = sum(each["times"] for each in chosen)
        rows = [(each["times"], f"{each['database']:<13} {each['text']}") for each in chosen]
        show(f"\ntransactions of one order {title}: {total}")
        for times, text in sorted(rows, key=lambda row: row[1]):
            show(f"  {times} x {text}")
    return seen


def _idle(shop: Shopfront, report: Report) -> dict[str, Any]:
    """POST → PAID with nothing else going on. PAID is the time that the order's history says."""
    say("placing orders one by one")
    customer, sent, answered = shop.customer(), {}, []
    for _ in range(IDLE_ORDERS_QUICK if report.quick else IDLE_ORDERS):
        began = time.time()
        sent[shop.order(customer)] = began
        answered.append((time.time() - began) * 1000)
        time.sleep(IDLE_PAUSE_SECONDS)
    shop.settle()
    took = sorted((at - sent[order]) * 1000 for order, at in _paid(shop).items() if order in sent)
    figures = {
        "placed": len(sent), "paid": len(took), "post_ms_p50": statistics.median(answered),
        "paid_ms_p50": statistics.median(took), "paid_ms_p99": took[int(len(took) * 0.99)],
    }
    table("one order at a time, ms", figures, [[f"{value:.1f}" for value in figures.values()]])
    return figures


def _saturation(shop: Shopfront, report: Report) -> list[dict[str, Any]]:
    """Closed loops of ever more customers, then half of the best rate: orders PAID per second, and
    how long each took."""
    results: list[dict[str, Any]] = []
    for workers in (*SATURATION_WORKERS, HALF):
        seconds = SATURATION_SECONDS_QUICK if report.quick else SATURATION_SECONDS
        began, shed = time.time(), shop.shed
        end = time.monotonic() + seconds
        if workers == HALF:
            rate = max(each["paid_per_second"] for each in results) / 2
            say(f"{rate:.0f} orders per second for {seconds} s")
            shop.orders_paced(end, max(rate, 1.0), max(SATURATION_WORKERS))
        else:
            say(f"{workers} customers order for {seconds} s")
            shop.orders_until(end, workers)
        accepted_until = time.time()
        shop.settle()
        [[accepted, paid, p50, p99]] = shop.sql(
            "order",
            f"select count(*), count(*) filter (where paid <= to_timestamp({accepted_until})),"
            " percentile_cont(0.5) within group (order by extract(epoch from paid - placed)),"
            " percentile_cont(0.99) within group (order by extract(epoch from paid - placed))"
            " from (select o.create_time placed, t.transition_time paid from orders o"
            " join order_transition t on t.order_id = o.id and t.to_status = 'PAID'"
            f" where o.create_time >= to_timestamp({began})) each",
        )
        length = accepted_until - began
        results.append({
            "customers": workers, "accepted_per_second": int(accepted) / length,
            "paid_per_second": int(paid) / length, "shed": shop.shed - shed,
            "paid_ms_p50": float(p50) * 1000, "paid_ms_p99": float(p99) * 1000,
        })
    table(
        "closed loops, then half of the best rate: orders per second, place → PAID in ms",
        results[0], [[f"{value:.0f}" for value in each.values()] for each in results],
    )
    return results


def _paid(shop: Shopfront) -> dict[str, float]:
    rows = shop.sql(
        "order",
        "select order_id, extract(epoch from transition_time) from order_transition"
        " where to_status = 'PAID'",
    )
    return {order: float(at) for order, at in rows}
