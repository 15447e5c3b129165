"""`make test`: all tests against a whole running Tradewind of their own.

Takes a free instance, starts everything, runs cargo's tests, and leaves nothing behind: no process,
no data, no lock, whatever happens in between. Then, unless only some tests were asked for, three
minutes of chaos on an instance of their own. The last line says how many passed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from types import FrameType

from tradewind import build, chaos, components, doctor, lifecycle, paths
from tradewind import instance as instances
from tradewind.console import say, show
from tradewind.instance import Instance
from tradewind.programs import Options

# Short, so that certificates rotate several times during the tests.
SVID_TTL_SECONDS = 60
OTLP_PORT = 4317
CHAOS_MINUTES = 3
# The same faults in every run, so that a failure is the change's; SEED=7 make test for others.
CHAOS_SEED = 1
RESULT = re.compile(rb"^test result: \w+\. (\d+) passed; (\d+) failed")
SOAK_SECONDS = 300  # many lives of a certificate and of every connection


class _Interrupted(Exception):
    """SIGINT or SIGTERM arrived; everything is stopped before the command ends."""


def run(arguments: list[str], soak: bool = False) -> int:
    """Runs the tests, then chaos; returns 0 when all passed."""
    counts: Counter[str] = Counter()
    seed = int(os.environ.get("SEED", CHAOS_SEED))
    status = _tests(arguments, soak, counts)
    if status == 0 and not arguments:
        status = _chaos(seed)
        counts["failed" if status else "passed"] += 1
    show(f"\n{counts['passed']} passed, {counts['failed']} failed")
    return status


def _chaos(seed: int) -> int:
    """A run in which nothing could be shown proves nothing either way: then another seed's."""
    status = chaos.run(chaos.Wanted(seed, CHAOS_MINUTES))
    if status == chaos.INVALID:
        say(f"seed {seed} has shown nothing; once more with the next one")
        status = chaos.run(chaos.Wanted(seed + 1, CHAOS_MINUTES))
    return status


def _tests(arguments: list[str], soak: bool, counts: Counter[str]) -> int:
    doctor.check(install=True, tests=True)
    components.ensure(components.TESTS)
    build.binaries()
    build.tests()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    instance, lock = instances.take_free()
    say(f"this run is instance {instance.number} (127.77.{instance.number}.0/24)")
    status = 1
    try:
        # What a killed run left behind must not colour this one.
        instance.remove()
        options = Options(
            otlp_endpoint=f"http://127.77.{instance.number}.1:{OTLP_PORT}",
            svid_ttl_seconds=SVID_TTL_SECONDS,
        )
        lifecycle.start(instance, options, lock=lock)
        status = _cargo_tests(instance, arguments, soak, counts)
    except _Interrupted:
        say("interrupted")
    finally:
        _clean_up(instance, lock, status)
    return status


def _cargo_tests(
    instance: Instance, arguments: list[str], soak: bool, counts: Counter[str]
) -> int:
    environment = {
        **os.environ,
        "TRADEWIND_INSTANCE": str(instance.number),
        "TRADEWIND_ROOT": str(paths.ROOT),
        "TRADEWIND_RUN": str(instance.run),
    }
    if soak:
        # Tests that need minutes read it; without it they run the same code for seconds.
        environment["TRADEWIND_SOAK_SECONDS"] = str(SOAK_SECONDS)
    # One command for all: a smaller selection has other features, and compiles half the tree again.
    # Cargo runs one test binary after another: the end-to-end tests take no part from the others.
    command = ["cargo", "test", "--workspace", "--locked", "--no-fail-fast", *arguments]
    say(" ".join(command))
    return _run(command, environment, counts)


def _run(command: list[str], environment: dict[str, str], counts: Counter[str]) -> int:
    # A group of its own: stopping cargo alone would leave the test binary behind.
    process = subprocess.Popen(
        command, cwd=paths.ROOT, env=environment, process_group=0, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        # Passed on as it comes, and counted: cargo has no sum over its test binaries.
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            if result := RESULT.match(line):
                counts["passed"] += int(result[1])
                counts["failed"] += int(result[2])
        return process.wait()
    except _Interrupted:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def _clean_up(instance: Instance, lock: int, status: int) -> None:
    # A second Ctrl-C must not leave half of it behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    lifecycle.stop(instance)
    if status != 0 and instance.logs.exists():
        _keep_logs(instance)
    instance.remove()
    os.close(lock)


def _keep_logs(instance: Instance) -> None:
    """The logs of the last failed run are the one thing that is worth keeping."""
    kept = paths.LOCAL / "failed-test-logs"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(instance.logs, kept)
    say(f"the logs of this run are in {kept}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise _Interrupted

