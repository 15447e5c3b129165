"""The commands behind the Makefile. `scripts/tradewind.sh --help` lists them."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
from dataclasses import replace

from tradewind import (
    chaos, components, dev_jwt, doctor, edges, lifecycle, paths, shop, test_run, up,
)
from tradewind import instance as instances
from tradewind.console import Failure, fail, say, show
from tradewind.instance import LAST_INSTANCE, Instance
from tradewind.programs import Options, all_programs
from tradewind.supervisor import Supervisor

# A listener of the mesh holds 2,048 connections, and tests of its limits both ends of as many.
DESCRIPTORS = 16384


def main() -> int:
    arguments = _parser().parse_args()
    _raise_descriptors()
    try:
        return arguments.run(arguments) or 0
    except Failure as failure:
        fail(str(failure))
    except KeyboardInterrupt:
        fail("interrupted")
    except BrokenPipeError:
        # The reader (`head`, say) has seen enough. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _raise_descriptors() -> None:
    """What is started inherits it; 1,024, the usual soft limit, is too few for a service."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# === commands on a whole instance ===


def _up(arguments: argparse.Namespace) -> None:
    up.up(_instance(arguments))


def _down(arguments: argparse.Namespace) -> None:
    up.down(_instance(arguments))


def _test(arguments: argparse.Namespace) -> int:
    return test_run.run(arguments.arguments, arguments.soak)


def _chaos(arguments: argparse.Namespace) -> int:
    seed = chaos.a_seed() if arguments.seed is None else arguments.seed
    return chaos.run(chaos.Wanted(seed, chaos.length(arguments.minutes), arguments.rate))


def _clean(_arguments: argparse.Namespace) -> None:
    """Removes all that the scripts made: running instances, data, downloads."""
    runs = paths.LOCAL / "run"
    for folder in sorted(runs.iterdir()) if runs.exists() else []:
        instance = Instance(int(folder.name))
        _clean_instance(instance)
    shutil.rmtree(paths.LOCAL, ignore_errors=True)
    if paths.as_root():
        shutil.rmtree(paths.SERVER_HOME, ignore_errors=True)
    say("removed data and downloads; `cargo clean` removes what was built")


def _clean_instance(instance: Instance) -> None:
    try:
        lock = instances.take(instance.number)
    except instances.Taken as taken:
        if taken.owner != str(paths.ROOT):
            # The number is another checkout's now; ours left only files.
            instance.remove_files()
            return
        if instance.number != 0:
            raise Failure(
                f"instance {instance.number} of this checkout runs (a test?); stop it first:\n"
                f"  scripts/tradewind.sh stop --instance {instance.number}"
            ) from None
        lifecycle.stop(instance)
        lock = instances.take(instance.number)
    instance.remove()
    os.close(lock)


# === commands on programs ===


def _start(arguments: argparse.Namespace) -> None:
    instance = _instance(arguments)
    only = _names(arguments)
    lifecycle.fetch_for(only)
    options = Options.of(instance)
    if arguments.otlp_endpoint is not None:
        options = replace(options, otlp_endpoint=arguments.otlp_endpoint)
    if arguments.svid_ttl_seconds is not None:
        options = replace(options, svid_ttl_seconds=arguments.svid_ttl_seconds)
    lifecycle.start(instance, options, only)
    say(f"up; export TRADEWIND_RUN={instance.run} TRADEWIND_INSTANCE={instance.number}")


def _stop(arguments: argparse.Namespace) -> None:
    instance = _instance(arguments)
    only = _names(arguments)
    if only is not None:
        lifecycle.stop_programs(instance, only)
        return
    say("stopped" if lifecycle.stop(instance) else "nothing ran")
    if arguments.purge:
        instance.remove()
        say(f"removed the data of instance {instance.number}")


def _restart(arguments: argparse.Namespace) -> None:
    wait = not arguments.no_wait
    lifecycle.restart_programs(_instance(arguments), arguments.programs, wait)


def _status(arguments: argparse.Namespace) -> int:
    instance = _instance(arguments)
    supervisor = Supervisor(instance)
    if not supervisor.alive():
        show(f"instance {instance.number} does not run")
        return 3
    states = supervisor.states()
    ready = True
    for program in all_programs(instance, Options.of(instance)):
        state = states[program.name]
        missing = lifecycle.missing(instance, program)
        ready = ready and missing is None
        word = "ready" if missing is None else f"not ready: {' · '.join(missing.splitlines())}"
        show(f"  {program.name:<14} {state['statename']:<9} {state['description']:<28} {word}")
    return 0 if ready else 1


def _logs(arguments: argparse.Namespace) -> None:
    instance = _instance(arguments)
    names = [arguments.program] if arguments.program else _log_names(instance)
    files = [str(instance.logs / f"{name}.log") for name in names]
    os.execvp("tail", ["tail", "-n", "50", "-F", *files])


def _log_names(instance: Instance) -> list[str]:
    return sorted(path.stem for path in instance.logs.glob("*.log"))


# === commands of a user of the shop ===


def _order(arguments: argparse.Namespace) -> None:
    if not shop.walk(_instance(arguments), "tok_ok"):
        raise Failure("the order was not paid")


def _declined(arguments: argparse.Namespace) -> None:
    if shop.walk(_instance(arguments), "tok_declined"):
        raise Failure("the order was paid, although the payment is declined")


def _seed(arguments: argparse.Namespace) -> None:
    shop.seed(_instance(arguments))


def _token(arguments: argparse.Namespace) -> None:
    roles = arguments.role or ["customer"]
    show(dev_jwt.token(_instance(arguments), arguments.sub, roles, arguments.scope))


# === others ===


def _doctor(_arguments: argparse.Namespace) -> None:
    doctor.report()


def _fetch(arguments: argparse.Namespace) -> None:
    doctor.check(install=True)
    components.ensure(["venv", *arguments.names])


def _edges(_arguments: argparse.Namespace) -> None:
    edges.check()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/tradewind.sh", description=__doc__)
    _instance_argument(parser, default=0)
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text)
        # Accepted before and after the command's name.
        _instance_argument(added, default=argparse.SUPPRESS)
        added.set_defaults(run=run)
        return added

    command("up", _up, "set up, build, start, seed and place a first order")
    command("down", _down, "stop everything, keep the data")
    command("clean", _clean, "remove data and downloads")
    command("doctor", _doctor, "show what this machine lacks")
    command("status", _status, "show what runs and what is ready")
    command("order", _order, "place an order and watch it become PAID")
    command("declined", _declined, "place an order whose payment is declined")
    command("seed", _seed, "create the catalogue")
    _add_program_arguments(command("start", _start, "start an instance, or some programs of it"))
    stop = command("stop", _stop, "stop an instance, or some programs of it; the data stays")
    _add_names(stop)
    stop.add_argument("--purge", action="store_true", help="delete the instance's data, too")
    again = command("restart", _restart, "replace programs, one after another, each until ready")
    again.add_argument("programs", nargs="+")
    again.add_argument("--no-wait", action="store_true", help="do not wait until they are ready")
    logs = command("logs", _logs, "follow the log of a program, or all logs")
    logs.add_argument("program", nargs="?")
    token = command("token", _token, "print a development token")
    token.add_argument("--sub", required=True, help="the end user")
    token.add_argument("--role", action="append", help="may be repeated; default customer")
    token.add_argument("--scope", default="", help="space-separated scopes")
    test = command("test", _test, "run all tests as an instance of their own")
    test.add_argument("--soak", action="store_true", help="long tests at their full length")
    test.add_argument("arguments", nargs="*", help="passed on to cargo test (after --)")
    storm = command("chaos", _chaos, "faults under load, then reconcile, as an instance of its own")
    storm.add_argument("--seed", type=int, help="the run to repeat; default: a new one")
    storm.add_argument("--minutes", default="3", help="how long faults go on (default 3)")
    rate = chaos.RATE_PER_SECOND
    storm.add_argument("--rate", type=float, default=rate, help=f"orders per second ({rate:g})")
    command("edges", _edges, "check the dependencies that must not exist")
    fetch = command("fetch", _fetch, "fetch components without starting anything")
    fetch.add_argument("names", nargs="*", default=list(components.RUNTIME))
    return parser


def _add_program_arguments(parser: argparse.ArgumentParser) -> None:
    _add_names(parser)
    parser.add_argument("--otlp-endpoint", help="where the programs send their traces")
    parser.add_argument("--svid-ttl-seconds", type=int, help="life of a workload's certificate")


def _add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("programs", nargs="*", help="default: all of the instance")
    parser.add_argument("--only", help="the same as a comma list: postgres,kafka,meshd")


def _names(arguments: argparse.Namespace) -> list[str] | None:
    names = [*arguments.programs, *(arguments.only.split(",") if arguments.only else [])]
    return names or None


def _instance_argument(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "--instance", type=int, default=default, choices=range(LAST_INSTANCE + 1), metavar="I",
        help="0 is `make up` (default), 1 to 99 are for tests and development",
    )


def _instance(arguments: argparse.Namespace) -> Instance:
    return Instance(arguments.instance)


if __name__ == "__main__":
    sys.exit(main())
