"""Full mutual handshakes: our accept loop against rustls alone, with the same certificates."""

from __future__ import annotations

import statistics
from typing import Any

from tradewind_bench.ends import Ends
from tradewind_bench.report import Report, median_ratio, table

IN_FLIGHT = 16
SECONDS = (1.0, 4.0)
SECONDS_QUICK = (0.2, 0.5)
BARE = "rustls alone"
OURS = "our accept loop"


def run(report: Report) -> None:
    seconds = SECONDS_QUICK if report.quick else SECONDS
    results: dict[str, list[dict[str, Any]]] = {BARE: [], OURS: []}
    with Ends(report.build) as ends:
        servers = {
            BARE: ends.server("serve-bare-tls", "mtls"),
            OURS: ends.server("serve", "mtls", telemetry=True),
        }
        for number in range(report.rounds):
            for name in (BARE, OURS) if number % 2 == 0 else (OURS, BARE):
                address, pid = servers[name]
                results[name].append(ends.measure(
                    "shake", "mtls", address, {"server": pid}, seconds, in_flight=IN_FLIGHT,
                ))
    report.keep("handshakes", results)
    columns = {
        name: {key: [figures[key] for figures in rounds] for key in rounds[0]}
        for name, rounds in results.items()
    }
    rows = []
    for name, own in columns.items():
        middle = {key: statistics.median(values) for key, values in own.items()}
        bare = columns[BARE]
        rows.append((
            name, f"{middle['handshakes_per_second']:.0f}",
            f"{median_ratio(own['handshakes_per_second'], bare['handshakes_per_second']):.3f}",
            f"{middle['server_cpu_us']:.0f}",
            f"{median_ratio(own['server_cpu_us'], bare['server_cpu_us']):.3f}",
            f"{middle['client_cpu_us']:.0f}",
        ))
    table(
        f"full mutual handshakes, {IN_FLIGHT} at once; x = against {BARE} (aim: rate x >= 0.9)",
        ("server", "per second", "x", "server CPU us", "x", "client CPU us"), rows,
    )
