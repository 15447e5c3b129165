"""The commands behind the Makefile. `scripts/tradewind.sh --help` lists them."""

from __future__ import annotations

import argparse
import sys

from tradewind import components, lifecycle
from tradewind.console import Failure, fail, say
from tradewind.instance import LAST_INSTANCE, Instance
from tradewind.programs import Options


def main() -> None:
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except Failure as failure:
        fail(str(failure))
    except KeyboardInterrupt:
        fail("interrupted")


def _start(arguments: argparse.Namespace) -> None:
    only = arguments.only.split(",") if arguments.only else None
    lifecycle.fetch_for(only)
    instance = Instance(arguments.instance)
    options = Options(
        otlp_endpoint=arguments.otlp_endpoint, svid_ttl_seconds=arguments.svid_ttl_seconds
    )
    lifecycle.start(instance, options, only)
    say(f"up; export TRADEWIND_RUN={instance.run} TRADEWIND_INSTANCE={instance.number}")


def _stop(arguments: argparse.Namespace) -> None:
    instance = Instance(arguments.instance)
    ran = lifecycle.stop(instance)
    say("stopped" if ran else "nothing ran")
    if arguments.purge:
        instance.remove()
        say(f"removed the data of instance {instance.number}")


def _fetch(arguments: argparse.Namespace) -> None:
    components.ensure(["venv", *arguments.names])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/tradewind.sh", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    start = commands.add_parser("start", help="start an instance, or some of its programs")
    _instance_argument(start)
    start.add_argument("--only", help="comma list of programs, e.g. postgres,kafka,meshd")
    start.add_argument("--otlp-endpoint", help="where services send their traces")
    start.add_argument("--svid-ttl-seconds", type=int, help="life of a workload's certificate")
    start.set_defaults(run=_start)

    stop = commands.add_parser("stop", help="stop an instance; its data stays")
    _instance_argument(stop)
    stop.add_argument("--purge", action="store_true", help="delete its data, too")
    stop.set_defaults(run=_stop)

    fetch = commands.add_parser("fetch", help="fetch components without starting anything")
    fetch.add_argument("names", nargs="*", default=list(components.RUNTIME))
    fetch.set_defaults(run=_fetch)
    return parser


def _instance_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--instance", type=int, default=0, choices=range(LAST_INSTANCE + 1), metavar="I",
        help="0 is `make up` (default), 1 to 99 are for tests and development",
    )


if __name__ == "__main__":
    sys.exit(main())
