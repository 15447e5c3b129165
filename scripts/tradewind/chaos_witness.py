"""What demonstrably happened in a run: counters that survive the processes, and the mails."""

from __future__ import annotations

import contextlib
import email
import json
import re
import threading
import urllib.request
from collections import Counter, defaultdict
from pathlib import Path

from tradewind.instance import SERVICES, Instance
from tradewind.supervisor import Supervisor

METRICS_PORT = 15020
SCRAPE_SECONDS = 1.0
SCRAPE_TIMEOUT_SECONDS = 2.0
# Metric and the label that names what is counted → what it says about a run.
EVENTS = "shop_events_consumed_total"
LEASES = "shop_leases_overtaken_total"
TASKS = "shop_tasks_total"
REPEATS = "shop_notification_possible_repeats_total"
SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? ([0-9.e+]+)$")
REPEATED = "the same mail goes out again"


class Witness:
    """Adds up counters of processes that are killed and begin again at zero."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str], float] = {}
        self._sums: Counter[tuple[str, str]] = Counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="witness", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        for name in SERVICES:
            self.scrape(name)

    def scrape(self, name: str) -> None:
        """Reads one service now; a service that does not answer has nothing to say."""
        if name not in SERVICES:
            return
        url = f"http://{self._instance.address(name)}:{METRICS_PORT}/metrics"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=SCRAPE_TIMEOUT_SECONDS) as response:
                text = response.read().decode()
        except OSError:
            return
        with self._lock:
            for line in text.splitlines():
                found = SERIES.match(line)
                if found and found[1] in (EVENTS, LEASES, TASKS, REPEATS):
                    self._add(name, f"{found[1]} {found[2] or ''}", float(found[3]))

    def counted(self) -> dict[str, int]:
        """What happened, at least: the last second of a killed process is not seen."""
        result: Counter[str] = Counter()
        for (_, series), value in self._sums.items():
            metric, labels = series.split(" ", 1)
            for name, of, label in (
                ("duplicates dropped", EVENTS, 'result="duplicate"'),
                ("older events dropped", EVENTS, 'result="older"'),
                ("events that waited for earlier ones", EVENTS, 'result="gap"'),
                ("events applied", EVENTS, 'result="applied"'),
                ("leases lost", LEASES, ""),
                ("tasks tried again", TASKS, 'result="retry"'),
                ("possible repeats of mails", REPEATS, ""),
            ):
                result[name] += round(value) if metric == of and label in labels else 0
        return dict(result)

    def _watch(self) -> None:
        while not self._stopped.wait(SCRAPE_SECONDS):
            for name in SERVICES:
                self.scrape(name)

    def _add(self, name: str, series: str, value: float) -> None:
        last = self._last.get((name, series), 0.0)
        self._sums[name, series] += value - last if value >= last else value
        self._last[name, series] = value


def processor_time(instance: Instance) -> dict[str, tuple[int, int]]:
    """For each thread of the services how long it ran and how long it waited for a processor.

    Builds beside a run take processors away; the shop is then late, and nothing else.
    """
    states = Supervisor(instance).states()
    times = {}
    for name in SERVICES:
        for path in Path(f"/proc/{states[name]['pid']}/task").glob("*/schedstat"):
            # A thread may have ended in between.
            with contextlib.suppress(OSError):
                ran, waited = path.read_text().split()[:2]
                times[str(path)] = int(ran), int(waited)
    return times


def waited_per_second(
    since: dict[str, tuple[int, int]], until: dict[str, tuple[int, int]]
) -> float:
    """How long they waited for each second that they ran."""
    ran, waited = 0, 0
    for thread, (now_ran, now_waited) in until.items():
        before = since.get(thread, (0, 0))
        ran, waited = ran + now_ran - before[0], waited + now_waited - before[1]
    return waited / max(ran, 1)


def mails(instance: Instance) -> tuple[int, list[str]]:
    """How many mails there are, and which break the rule of the Message-ID.

    One event, one Message-ID; the same mail twice only if the log admits that try by try.
    """
    times: Counter[str] = Counter()
    by_event: dict[str, set[str]] = defaultdict(set)
    for path in instance.mail.glob("*.eml"):
        mail = email.message_from_bytes(path.read_bytes())
        message_id = str(mail["Message-ID"]).strip("<> ")
        times[message_id] += 1
        by_event[message_id.split(".", 1)[0]].add(message_id)
    admitted = _admitted(instance)
    broken = [
        f"mail {message_id} came {count} times, {admitted[message_id]} repeats are admitted"
        for message_id, count in times.items() if count - 1 > admitted[message_id]
    ]
    broken += [
        f"event {event} has several Message-IDs: {', '.join(sorted(ids))}"
        for event, ids in by_event.items() if len(ids) > 1
    ]
    return sum(times.values()), broken


def _admitted(instance: Instance) -> Counter[str]:
    admitted: Counter[str] = Counter()
    for path in instance.logs.glob("notification.log*"):
        for line in path.read_text(errors="replace").splitlines():
            if REPEATED in line:
                admitted[str(json.loads(line)["message_id"]).strip("<> ")] += 1
    return admitted
