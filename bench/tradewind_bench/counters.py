"""What an instance has used so far: CPU of every program, transactions, WAL, fsyncs, records."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tradewind import paths, secrets_store
from tradewind.console import Failure
from tradewind.instance import KAFKA_PORT, SERVICES
from tradewind_bench.shopfront import Shopfront

_TICKS = os.sysconf("SC_CLK_TCK")
# A backend that falls idle reports what it counted after ten seconds at the latest.
STATISTICS_SECONDS = 11


@dataclass
class Counters:
    """One look at all counters; the difference of two is what was used in between."""

    cpu_seconds: dict[str, float]
    transactions: dict[str, int]
    records: dict[str, int]
    writes: int  # transactions that changed something: each takes a number of its own
    wal_bytes: int
    wal_fsyncs: int

    @classmethod
    def of(cls, shop: Shopfront) -> Counters:
        pids = {name: state["pid"] for name, state in shop.supervisor.states().items()}
        databases = ", ".join(f"'{name}'" for name in SERVICES)
        transactions = shop.sql(
            "postgres",
            "select datname, xact_commit + xact_rollback from pg_stat_database"
            f" where datname in ({databases})",
        )
        [[writes, wal_bytes, fsyncs]] = shop.sql(
            "postgres",
            "select pg_snapshot_xmax(pg_current_snapshot()),"
            " pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'),"
            " (select sum(fsyncs) from pg_stat_io where object = 'wal')",
        )
        return cls(
            cpu_seconds={name: _cpu_seconds(pid) for name, pid in pids.items()},
            transactions={name: int(count) for name, count in transactions},
            records=_records(shop),
            writes=int(writes), wal_bytes=int(wal_bytes), wal_fsyncs=int(fsyncs),
        )

    def since(self, before: Counters) -> Counters:
        return Counters(
            {name: now - before.cpu_seconds[name] for name, now in self.cpu_seconds.items()},
            {name: now - before.transactions[name] for name, now in self.transactions.items()},
            {name: now - before.records.get(name, 0) for name, now in self.records.items()},
            self.writes - before.writes, self.wal_bytes - before.wal_bytes,
            self.wal_fsyncs - before.wal_fsyncs,
        )


def family(pid: int) -> Iterable[int]:
    """A process and all that descend from it: PostgreSQL is many processes."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from family(int(child))


def _cpu_seconds(pid: int) -> float:
    """Of the process and its children, those that have ended included."""
    ticks = 0
    for member in family(pid):
        try:
            # The name in parentheses may hold anything; the numbers follow it.
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS


def _records(shop: Shopfront) -> dict[str, int]:
    request = {
        "brokers": f"{shop.instance.address('kafka')}:{KAFKA_PORT}",
        "password": secrets_store.read(shop.instance, "kafka.admin"),
    }
    script = Path(__file__).with_name("kafka_ends.py")
    result = subprocess.run(
        [str(paths.VENV / "bin/python"), "-B", str(script)],
        input=json.dumps(request), capture_output=True, text=True, check=False,
    )
    if result.returncode != 0:
        raise Failure(f"cannot read Kafka's offsets:\n{result.stderr}")
    return json.loads(result.stdout)
