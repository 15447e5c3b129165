"""Faults on real processes: which, when, for how long, all drawn from one seed.

Nothing here judges. A fault that could not be carried out is an error: a run without its faults
says nothing.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tradewind import postgres
from tradewind.chaos_disk import SmallDisk
from tradewind.console import say
from tradewind.instance import KAFKA_PORT, SERVICES, Instance
from tradewind.supervisor import Supervisor

KILLED = (*SERVICES, "meshd", "gateway-agent", "envoy", "kafka", "postgres", "psp-sim")
# Each longer than the service's task lease (its longest deadline + 10 s), the relay's (10 s) and
# the consumer's session (6 s).
FREEZE_SECONDS = {"product": 18, "payment": 25, "order": 33, "notification": 73}
# In a short run only these: the longest lease would take half of it.
SHORT_FREEZES = ("product", "payment", "order")
LONG_RUN_MINUTES = 10
KAFKA_AWAY_SECONDS = 30
# In a run that has the time: longer than any retry of a client library.
KAFKA_LONG_AWAY_SECONDS = 300
LONG_AWAY_MINUTES = 15
POSTGRES_AWAY_SECONDS = 10
# From the broker's death on.
DISK_FULL_SECONDS = 15
# Load comes before the first fault and goes on after the last one.
QUIET_SECONDS = 5
# Between two slow faults, so that what they did can be seen apart in the logs.
PAUSE_SECONDS = (2, 6)
KILLS_PER_MINUTE = 6
# A program that is away cannot be killed; it comes back, then it is its turn.
DEFER_SECONDS = 2
KILL_WITHIN_SECONDS = 60
# Who works on tasks long enough to be caught in the act: killed then, its lease is surely lost.
AT_WORK = ("payment", "order")
CATCH_SECONDS = 20
CATCH_PAUSE_SECONDS = 0.2
LEASES = "select count(*) from task where state = 'LEASED'"


@dataclass(frozen=True, order=True)
class Fault:
    at: float  # seconds since the start of the faults
    kind: str  # kill, freeze, away, restart, fill
    program: str
    seconds: float = 0.0

    def __str__(self) -> str:
        long = f" for {self.seconds:.0f} s" if self.seconds else ""
        return f"{self.kind} {self.program}{long}"


def plan(seed: int, minutes: float, small_disk: bool) -> list[Fault]:
    """The same seed and length are the same plan. Without a small disk it is never filled."""
    luck = random.Random(f"faults {seed}")
    faults = []
    at = float(QUIET_SECONDS)
    end = minutes * 60 - QUIET_SECONDS
    while slow := _slow(luck, minutes):
        for kind, program, seconds in slow:
            at += luck.uniform(*PAUSE_SECONDS)
            if faults and at + seconds > end:
                continue
            faults.append(Fault(round(at, 1), kind, program, seconds))
            at += seconds
        # In a short run each once: between them the shop must have time to work.
        if minutes < LONG_RUN_MINUTES or at + max(seconds for _, _, seconds in slow) > end:
            break
    kills = max(len(KILLED), round(KILLS_PER_MINUTE * minutes))
    victims: list[str] = []
    while len(victims) < kills:
        victims += luck.sample(KILLED, len(KILLED))
    for victim in victims[:kills]:
        faults.append(Fault(round(luck.uniform(QUIET_SECONDS, end), 1), "kill", victim))
    return sorted(fault for fault in faults if small_disk or fault.kind != "fill")


def _slow(luck: random.Random, minutes: float) -> list[tuple[str, str, float]]:
    """One round of what takes its time, in random order."""
    frozen = [*FREEZE_SECONDS] if minutes >= LONG_RUN_MINUTES else [luck.choice(SHORT_FREEZES)]
    away = KAFKA_LONG_AWAY_SECONDS if minutes >= LONG_AWAY_MINUTES else KAFKA_AWAY_SECONDS
    faults = [
        *(("freeze", name, float(FREEZE_SECONDS[name])) for name in frozen),
        ("away", "kafka", float(KAFKA_AWAY_SECONDS)),
        ("away", "postgres", float(POSTGRES_AWAY_SECONDS)),
        ("restart", "postgres", 0.0),
        ("fill", "kafka", float(DISK_FULL_SECONDS)),
    ]
    if away != KAFKA_AWAY_SECONDS:
        faults.append(("away", "kafka", float(away)))
    luck.shuffle(faults)
    return faults


class Faults:
    """Carries a plan out. Slow faults run beside the kills."""

    def __init__(
        self, instance: Instance, disk: SmallDisk, before_kill: Callable[[str], None]
    ) -> None:
        self._instance = instance
        self._disk = disk
        self._before_kill = before_kill
        self._lock = threading.Lock()
        self._absent: set[str] = set()
        self._frozen: set[str] = set()
        self.done: list[Fault] = []
        self.at_work = 0  # kills of a process with a task in its hands
        self.failed: list[str] = []

    def run(self, faults: list[Fault]) -> None:
        began = time.monotonic()
        threads = []
        for fault in faults:
            time.sleep(max(0.0, began + fault.at - time.monotonic()))
            thread = threading.Thread(
                target=self._one, args=(fault,), name=str(fault), daemon=True
            )
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()

    def heal(self) -> None:
        """Whatever was left frozen or stopped runs again."""
        supervisor = Supervisor(self._instance)
        for name, state in supervisor.states().items():
            if state["pid"]:
                _signal(state["pid"], signal.SIGCONT)
            else:
                supervisor.start(name)

    def _one(self, fault: Fault) -> None:
        try:
            say(str(fault))
            action = {
                "kill": self._kill, "freeze": self._freeze, "away": self._away,
                "restart": self._restart, "fill": self._fill,
            }[fault.kind]
            action(fault.program, fault.seconds)
        except Exception as error:  # noqa: BLE001 - reported with the fault's name
            with self._lock:
                self.failed.append(f"{fault}: {error}")
            return
        with self._lock:
            self.done.append(fault)

    def _kill(self, name: str, _seconds: float) -> None:
        deadline = time.monotonic() + KILL_WITHIN_SECONDS
        while (pid := self._killed(name)) is None:
            if name in self._absent:
                deadline = time.monotonic() + KILL_WITHIN_SECONDS
            if time.monotonic() > deadline:
                raise TimeoutError("it was away for too long to be killed")
            time.sleep(DEFER_SECONDS)
        # Seen to be gone, and another process in its place: the fault took place.
        while (now := self._pid(name)) is None or now == pid:
            if time.monotonic() > deadline + KILL_WITHIN_SECONDS:
                raise TimeoutError("it was not started again")
            time.sleep(0.1)

    def _killed(self, name: str) -> int | None:
        """Kills the process and says which it was; None when there is none now."""
        pid = self._pid(name)
        if pid is None:
            return None
        self._before_kill(name)
        caught = name in AT_WORK and self._caught(name, pid)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        with self._lock:
            self.at_work += caught
        return pid

    def _caught(self, name: str, pid: int) -> bool:
        """Holds the process at a moment in which it works on a task, if there is one soon."""
        until = time.monotonic() + CATCH_SECONDS
        while time.monotonic() < until and self._pid(name) == pid:
            if name in self._frozen:
                return False  # its next fault is under way, and lets it go
            _signal(pid, signal.SIGSTOP)
            # It stands still, so what it holds now it still holds when it dies.
            if (postgres.query(self._instance, name, LEASES) or "0") != "0":
                return True
            if name not in self._frozen:
                _signal(pid, signal.SIGCONT)
            time.sleep(CATCH_PAUSE_SECONDS)
        return False

    def _freeze(self, name: str, seconds: float) -> None:
        deadline = time.monotonic() + KILL_WITHIN_SECONDS
        while (pid := self._pid(name)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError("it was away for too long to be frozen")
            time.sleep(0.1)
        if name in AT_WORK:
            self._caught(name, pid)
        ends = time.monotonic() + seconds
        self._frozen.add(name)
        try:
            _signal(pid, signal.SIGSTOP)
            while time.monotonic() < ends:
                time.sleep(0.2)
                # It may be killed while it stands still; the one in its place has its turn, too.
                now = self._pid(name)
                if now is not None and now != pid:
                    pid = now
                    _signal(pid, signal.SIGSTOP)
        finally:
            self._frozen.discard(name)
            _signal(pid, signal.SIGCONT)

    def _away(self, name: str, seconds: float) -> None:
        supervisor = Supervisor(self._instance)
        with self._lock:
            self._absent.add(name)
        try:
            supervisor.stop(name)
            time.sleep(seconds)
        finally:
            Supervisor(self._instance).start(name)
            with self._lock:
                self._absent.discard(name)

    def _restart(self, name: str, _seconds: float) -> None:
        self._away(name, 0)

    def _fill(self, name: str, seconds: float) -> None:
        """A broker that has died of a full disk stays away until there is room: one that recovers
        its logs without room may throw them away (it says "Deleting the corrupt segment"), and a
        single one has nobody to get them back from."""
        with self._lock:
            self._absent.add(name)  # no kill comes between
        supervisor = Supervisor(self._instance)
        try:
            self._until_open(name)
            with self._disk.full():
                supervisor.stop(name)
                time.sleep(seconds)
        finally:
            Supervisor(self._instance).start(name)
            with self._lock:
                self._absent.discard(name)

    def _until_open(self, name: str) -> None:
        """Until the broker takes connections: its logs are recovered."""
        until = time.monotonic() + KILL_WITHIN_SECONDS
        while True:
            try:
                address = (self._instance.address(name), KAFKA_PORT)
                socket.create_connection(address, timeout=1).close()
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def _pid(self, name: str) -> int | None:
        """The process, unless a fault of ours keeps it away or it has not started yet."""
        with self._lock:
            if name in self._absent:
                return None
        state = Supervisor(self._instance).states()[name]
        return state["pid"] or None


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
