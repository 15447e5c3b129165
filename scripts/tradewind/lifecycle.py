"""Starts and stops an instance: prepare, start stage by stage, wait until each stage is ready.

Named programs alone can be started too (`start --only postgres,kafka`), for work on one part.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from tradewind import components, dev_jwt, gateway, instance as instances, kafka, paths, postgres
from tradewind import secrets_store
from tradewind.console import Failure, say
from tradewind.instance import GRPC_PORT, SERVICES, Instance
from tradewind.programs import Options, Program, all_programs
from tradewind.supervisor import Supervisor, elsewhere, write_configuration

POLL_SECONDS = 0.25
REPORT_SECONDS = 10  # how often the reader is told what is still missing
LOG_LINES = 20
STOP_TIMEOUT_SECONDS = 90

# What must be asked for readiness before its databases, topics and users can be made.
PROVISION = {"postgres": postgres.provision, "kafka": kafka.provision}
PREPARE = {"postgres": postgres.prepare, "kafka": kafka.prepare}

# Front to back: callers drain before what they call goes away.
STOP_ORDER = (
    ("envoy",), SERVICES, ("gateway-agent", "meshd", "psp-sim", "smtp"), ("kafka", "postgres"),
)


def start(
    instance: Instance, options: Options, only: Iterable[str] | None = None,
    lock: int | None = None,
) -> None:
    """Brings the instance (or the named programs) up and returns when all are ready."""
    supervisor = Supervisor(instance)
    if lock is None:
        lock = _lock_unless_running(instance, supervisor)
    programs = all_programs(instance, options)
    chosen = chosen_programs(programs, only)
    _prepare(instance, options, chosen)
    options.keep(instance)
    changed = write_configuration(instance, programs)
    if supervisor.alive():
        if changed:
            supervisor.reload()
        _stop_outdated(supervisor, chosen)
    else:
        assert lock is not None
        supervisor.launch(lock)
    for stage in sorted({program.stage for program in chosen}):
        _start_stage(instance, supervisor, [p for p in chosen if p.stage == stage])


def stop(instance: Instance) -> bool:
    """Stops every process of the instance in order; False when none ran."""
    supervisor = Supervisor(instance)
    if not supervisor.alive():
        return False
    for names in STOP_ORDER:
        known = supervisor.states()
        for name in names:
            if name in known:
                supervisor.stop(name, wait=False)
        _until_stopped(supervisor, names)
    pid = supervisor.pid()
    supervisor.shutdown()
    _until_gone(instance, pid)
    return True


def stop_programs(instance: Instance, names: list[str]) -> None:
    """Stops some programs and leaves the others alone."""
    supervisor = Supervisor(instance)
    if not supervisor.alive():
        raise Failure(f"instance {instance.number} does not run")
    known = supervisor.states()
    for name in names:
        if name not in known:
            raise Failure(f"no such program: {name}")
        supervisor.stop(name)


def restart_programs(instance: Instance, names: list[str], wait: bool = True) -> None:
    """Replaces some programs one after another, each as its platform would: asked to end, then
    started again; the next one's turn comes when it is ready."""
    supervisor = Supervisor(instance)
    if not supervisor.alive():
        raise Failure(f"instance {instance.number} does not run")
    for program in chosen_programs(all_programs(instance, Options.of(instance)), names):
        supervisor.stop(program.name)
        if wait:
            _start_stage(instance, supervisor, [program])
        else:
            supervisor.start(program.name)


def log_tail(instance: Instance, name: str, lines: int = LOG_LINES) -> str:
    path = instance.logs / f"{name}.log"
    if not path.exists():
        return "(no log yet)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def missing(instance: Instance, program: Program) -> str | None:
    """What keeps a program from being ready, or None."""
    try:
        return program.ready(instance)
    except Exception as error:  # noqa: BLE001 - a probe's failure is an answer
        return str(error)


def _lock_unless_running(instance: Instance, supervisor: Supervisor) -> int | None:
    try:
        return instances.take(instance.number)
    except instances.Taken as taken:
        if taken.owner != str(paths.ROOT):
            raise Failure(elsewhere(instance.number, taken.owner)) from None
        if not supervisor.alive():
            raise Failure(
                f"instance {instance.number} is being started or stopped by another command"
            ) from None
        return None


def chosen_programs(programs: list[Program], only: Iterable[str] | None) -> list[Program]:
    """The named programs, or all; an unknown name is refused."""
    if only is None:
        return programs
    names = set(only)
    unknown = names - {program.name for program in programs}
    if unknown:
        raise Failure(f"no such program: {', '.join(sorted(unknown))}")
    return [program for program in programs if program.name in names]


def _prepare(instance: Instance, options: Options, programs: list[Program]) -> None:
    instance.make_folders()
    secrets_store.ensure(instance)
    dev_jwt.ensure_key(instance)
    secrets_store.write_private(instance.run / "endpoints.yaml", _endpoints(instance))
    for program in programs:
        if program.name == "envoy":
            gateway.prepare(instance, options.otlp_endpoint)
        elif program.name in PREPARE:
            PREPARE[program.name](instance)


def _stop_outdated(supervisor: Supervisor, programs: list[Program]) -> None:
    """A program older than its binary or settings is stopped; its stage starts it again."""
    states = supervisor.states()
    for program in programs:
        state = states[program.name]
        if state["statename"] != "RUNNING":
            continue
        changed = [f for f in program.files if f.exists() and f.stat().st_mtime > state["start"]]
        if changed:
            say(f"restarting {program.name}: {changed[0].name} is newer than the process")
            supervisor.stop(program.name)


def _start_stage(instance: Instance, supervisor: Supervisor, programs: list[Program]) -> None:
    for program in programs:
        supervisor.start(program.name)
    waiting = {program.name: program for program in programs}
    began = time.monotonic()
    reported = began
    while waiting:
        reasons = {}
        for name, program in list(waiting.items()):
            reason = missing(instance, program)
            if reason is None:
                del waiting[name]
                if name in PROVISION:
                    PROVISION[name](instance)
                say(f"{name} is ready")
                continue
            reasons[name] = reason
            if time.monotonic() - began > program.ready_within_seconds:
                _give_up(instance, supervisor, name, reason)
        if reasons and time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            for name, reason in reasons.items():
                say(f"waiting for {name}: {' · '.join(reason.splitlines())}")
        if waiting:
            time.sleep(POLL_SECONDS)


def _give_up(instance: Instance, supervisor: Supervisor, name: str, reason: str) -> None:
    state = supervisor.states()[name]
    raise Failure(
        f"{name} is not ready: {reason}\n"
        f"The supervisor says: {state['statename']} {state['description']} {state['spawnerr']}\n"
        f"The end of {instance.logs / name}.log:\n{log_tail(instance, name)}"
    )


def _until_stopped(supervisor: Supervisor, names: Iterable[str]) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        states = supervisor.states()
        if not any(states[n]["pid"] for n in names if n in states):
            return
        time.sleep(POLL_SECONDS)


def _until_gone(instance: Instance, pid: int) -> None:
    """supervisord holds the instance's lock until it is gone, and it goes last."""
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while _exists(pid):
        if time.monotonic() > deadline:
            raise Failure(f"the supervisor of instance {instance.number} does not stop")
        time.sleep(POLL_SECONDS)


def _exists(pid: int) -> bool:
    try:
        # Started by this very command it stays a zombie until it is waited for.
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return os.path.exists(f"/proc/{pid}")


def _endpoints(instance: Instance) -> str:
    """Where the services are, in Istio's WorkloadEntry form, until they register themselves."""
    return "---\n".join(
        f"""\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: {service}
  namespace: shop
spec:
  address: {instance.address(service)}
  ports:
    grpc: {GRPC_PORT}
  serviceAccount: {service}
  labels:
    app: {service}
"""
        for service in SERVICES
    )


def fetch_for(only: Iterable[str] | None) -> None:
    """Fetches the components that the chosen programs need."""
    needs = {"postgres": "postgres", "kafka": "kafka", "envoy": "envoy"}
    chosen = set(needs.values()) if only is None else {needs[n] for n in only if n in needs}
    components.ensure(name for name in components.RUNTIME if name == "venv" or name in chosen)
