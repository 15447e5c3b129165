"""One benchmark's output: a table on the terminal, JSON in `.local/bench/`, the machine in both."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tradewind import paths
from tradewind.console import show


class Report:
    """Collects what a benchmark found."""

    def __init__(self, name: str, rounds: int, quick: bool, build: bool) -> None:
        self.name = name
        self.rounds = rounds
        self.quick = quick
        self.build = build  # first; otherwise the binaries are measured as they are
        self._figures: dict[str, Any] = {}
        self._machine = machine()
        show(f"\n=== {name} ===")
        for fact, value in self._machine.items():
            show(f"  {fact:<10} {value}")

    def keep(self, key: str, value: Any) -> None:
        """Raw figures, for whoever wants to count again."""
        self._figures[key] = value

    def finish(self) -> None:
        self._machine["load after"] = load()
        folder = paths.LOCAL / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
        document = {
            "benchmark": self.name, "rounds": self.rounds, "quick": self.quick,
            "machine": self._machine, "figures": self._figures,
        }
        path.write_text(json.dumps(document, indent=1) + "\n")
        show(f"  load after {load()}; raw figures: {path.relative_to(paths.ROOT)}")


def table(title: str, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Prints a table; the first column is text, the others are figures."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    show(f"\n{title}")
    for line in lines:
        first, *others = line
        cells = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:]))
        show(f"  {first:<{widths[0]}}  {'  '.join(cells)}".rstrip())


def median_ratio(values: list[float], base: list[float]) -> float:
    """The median over the rounds of each round's ratio: a slow minute hits both sides of it."""
    return statistics.median(value / other for value, other in zip(values, base))


def machine() -> dict[str, str]:
    """What figures are worthless without."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": _output("git", "rev-parse", "--short", "HEAD"),
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "rustc": _output("rustc", "--version"),
        "load": load(),
    }


def load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _output(*command: str) -> str:
    result = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"
