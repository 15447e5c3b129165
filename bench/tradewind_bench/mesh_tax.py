"""The mesh tax: one unary echo of 1 KiB in each way, against plain tonic.

Closed loop: each call in flight is followed by the next. Every round goes through all ways, in
another order each time, so that a slow minute of the machine hits all of them.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from tradewind_bench.ends import Ends
from tradewind_bench.report import Report, median_ratio, table

LOADS = ((1, 1), (1, 32), (4, 32))  # connections, calls in flight
SECONDS = (1.0, 3.0)
SECONDS_QUICK = (0.2, 0.5)
BASE = "tonic"
# Memory per connection is the slope between the two: what a process has anyway cancels out.
HELD = (50, 250)


@dataclass
class Way:
    """One way to make the call."""

    name: str
    client: str  # the way of the client's program
    telemetry: bool
    address: str = ""
    watched: dict[str, int] = field(default_factory=dict)


def run(report: Report) -> None:
    with Ends(report.build) as ends:
        ways = _start(ends)
        results = _measure(ends, ways, report)
        memory = _memory(ends, ways)
    report.keep("calls", results)
    report.keep("memory_per_connection", memory)
    for load in LOADS:
        _table(load, ways, results)
    table(
        "memory per connection, KiB (the server's end, and each Envoy's)",
        ("way", "process", "KiB"),
        ((way, process, f"{kib:.1f}") for way, processes in memory.items()
         for process, kib in processes.items()),
    )
    _aims(results)


def _start(ends: Ends) -> list[Way]:
    ways = [
        Way("tonic", "tonic", False),
        Way("tonic + TLS", "tonic-tls", False),
        Way("mesh off", "off", True),
        Way("mesh mTLS", "mtls", True),
        Way("mesh mTLS, no spans", "mtls", False),
    ]
    for way in ways:
        way.address, pid = ends.server("serve", way.client, way.telemetry)
        way.watched = {"server": pid}
    program, pid = ends.server("serve", "tonic")
    inner, inner_pid = ends.sidecar("server", program)
    outer, outer_pid = ends.sidecar("client", inner)
    watched = {"server": pid, "sidecar of client": outer_pid, "sidecar of server": inner_pid}
    ways.append(Way("Envoy pair", "tonic", False, outer, watched))
    return ways


def _measure(ends: Ends, ways: list[Way], report: Report) -> list[dict[str, Any]]:
    seconds = SECONDS_QUICK if report.quick else SECONDS
    results = []
    for number in range(report.rounds):
        turn = number % len(ways)
        for connections, in_flight in LOADS:
            for way in ways[turn:] + ways[:turn]:
                figures = ends.measure(
                    "call", way.client, way.address, way.watched, seconds, way.telemetry,
                    connections=connections, in_flight=in_flight,
                )
                spent = figures.pop("cpu_us_per_call")
                results.append({
                    "round": number, "way": way.name, "connections": connections,
                    "in_flight": in_flight, **figures, "cpu_us": sum(spent.values()),
                    **{f"cpu_us {name}": value for name, value in spent.items()},
                })
    return results


def _memory(ends: Ends, ways: list[Way]) -> dict[str, dict[str, float]]:
    memory = {}
    for way in ways:
        # The mesh's client opens one connection for many calls; tonic's opens as many as asked.
        client = {"off": "tonic", "mtls": "tonic-tls"}.get(way.client, way.client)
        few, many = (
            ends.held(client, way.address, count, way.watched.values()) for count in HELD
        )
        memory[way.name] = {
            name: (after - before) / (HELD[1] - HELD[0]) / 1024
            for name, before, after in zip(way.watched, few, many)
        }
    return memory


def _table(load: tuple[int, int], ways: list[Way], results: list[dict[str, Any]]) -> None:
    connections, in_flight = load
    base = _of(results, BASE, load)
    rows = []
    for way in ways:
        own = _of(results, way.name, load)
        middle = {key: statistics.median(values) for key, values in own.items()}
        rows.append((
            way.name, f"{middle['cpu_us client']:.1f}", f"{middle['cpu_us server']:.1f}",
            f"{middle['cpu_us']:.1f}", f"{median_ratio(own['cpu_us'], base['cpu_us']):.2f}",
            f"{middle['p50_us']:.0f}", f"{median_ratio(own['p50_us'], base['p50_us']):.2f}",
            f"{middle['p99_us']:.0f}", f"{middle['calls_per_second']:.0f}",
            f"{median_ratio(own['calls_per_second'], base['calls_per_second']):.2f}",
        ))
    table(
        f"{connections} connection(s), {in_flight} in flight; times in us, x = against {BASE}",
        ("way", "client CPU", "server CPU", "all CPU", "x", "p50", "x", "p99", "calls/s", "x"),
        rows,
    )


def _aims(results: list[dict[str, Any]]) -> None:
    rows = []
    for load in LOADS:
        base, mesh, envoy = (_of(results, name, load) for name in (BASE, "mesh mTLS", "Envoy pair"))
        added = statistics.median(
            (ours - none) / (theirs - none) for ours, theirs, none
            in zip(mesh["p50_us"], envoy["p50_us"], base["p50_us"])
        )
        rows.append((
            f"{load[0]} connection(s), {load[1]} in flight",
            f"{median_ratio(mesh['cpu_us'], base['cpu_us']):.2f}", f"{added:.3f}",
            f"{median_ratio(mesh['calls_per_second'], envoy['calls_per_second']):.2f}",
        ))
    table(
        "mesh mTLS against the aims (median of the rounds' ratios)",
        ("load", "CPU / tonic (<= 1.25)", "added p50 / Envoy's (<= 0.125)",
         "calls/s / Envoy's (>= 4)"),
        rows,
    )


def _of(results: list[dict[str, Any]], way: str, load: tuple[int, int]) -> dict[str, list[float]]:
    chosen = [
        result for result in results
        if result["way"] == way and (result["connections"], result["in_flight"]) == load
    ]
    keys = [key for key, value in chosen[0].items() if isinstance(value, float)]
    return {key: [result[key] for result in chosen] for key in keys}
