"""Runs the benchmarks that are named, or all: bench/run.sh mesh_tax handshakes."""

from __future__ import annotations

import argparse
import sys

from tradewind.console import Failure, fail
from tradewind_bench import handshakes, mesh_tax, order_cost, policy, start_size
from tradewind_bench.report import Report

BENCHMARKS = {
    "mesh_tax": mesh_tax.run,
    "handshakes": handshakes.run,
    "order_cost": order_cost.run,
    "start_size": start_size.run,
    "policy": policy.run,
}
ROUNDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(BENCHMARKS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--quick", action="store_true", help="short phases: shows that it runs, not how fast",
    )
    parser.add_argument(
        "--no-build", action="store_true", help="measure the binaries that are there as they are",
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    try:
        if unknown:
            raise Failure(f"no such benchmark: {', '.join(sorted(unknown))}")
        for name in arguments.names or BENCHMARKS:
            report = Report(name, arguments.rounds, arguments.quick, not arguments.no_build)
            BENCHMARKS[name](report)
            report.finish()
        return 0
    except Failure as failure:
        fail(str(failure))
    except KeyboardInterrupt:
        fail("interrupted")


if __name__ == "__main__":
    sys.exit(main())
