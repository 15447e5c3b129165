"""One order's statements as a script for pgbench: the least that PostgreSQL has to do for it.

The statements are those that the services sent for one order, with their parameters, in their
transactions. What must be new for each order (ids, keys) is made anew for each run of the script,
and what a statement returned (the place in the outbox, the version of the stock) is used where the
services used it. What only a loop does (claims, leases, looks) is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tradewind import paths, secrets_store
from tradewind.console import Failure
from tradewind.instance import SERVICES
from tradewind_bench.shopfront import Shopfront

_LINE = re.compile(
    r"^\S+ \S+ UTC \[(\d+)\] \w+@(\w+) (LOG|DETAIL):  (?:statement: |execute [^:]+: )?(.*)$", re.S
)
_START = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_PARAMETER = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PLACE = re.compile(r"\$(\d+)((?:::[a-z ]+(?:\[\])?)?)")
_VARIABLE = re.compile(r":[A-Za-z_]")
# Work of the loops; an idle shop does it as well.
_LOOPS = ("insert into relay_lease", "with wanted as")
_COPY = "_replay"  # after a database's name
_STOCK = 'UPDATE "stock"'


@dataclass
class Statement:
    """A statement with its parameters as SQL literals."""

    text: str
    parameters: list[str] = field(default_factory=list)


@dataclass
class Transaction:
    """What one transaction did; without a begin it is a single statement."""

    database: str
    begin: str
    statements: list[Statement] = field(default_factory=list)


def scripts(lines: list[str], fixed: set[str]) -> dict[str, str]:
    """A script for each database. `fixed` are ids that exist before the order."""
    by_database: dict[str, list[Transaction]] = {name: [] for name in SERVICES}
    for transaction in _transactions(lines):
        loops = any(each.text.startswith(_LOOPS) for each in transaction.statements)
        marks = any(each.text.startswith("update outbox") for each in transaction.statements)
        if transaction.database in by_database and (marks or not loops):
            by_database[transaction.database].append(transaction)
    return {
        name: _Writer(fixed).script(transactions) for name, transactions in by_database.items()
    }


def copy(shop: Shopfront) -> None:
    """Copies the databases: what pgbench writes must reach neither relay nor worker."""
    for database in SERVICES:
        shop.sql("postgres", f"create database {database}{_COPY}")
        dump = _client(shop, "pg_dump", database)
        load = _client(shop, "psql", database + _COPY, "--quiet", "--set", "ON_ERROR_STOP=1")
        text = subprocess.run(dump, env=_environment(shop), capture_output=True, check=True).stdout
        loaded = subprocess.run(
            load, env=_environment(shop), input=text, capture_output=True, check=False
        )
        if loaded.returncode != 0:
            raise Failure(f"copy of {database} failed:\n{loaded.stderr.decode()}")


def run(shop: Shopfront, files: dict[str, Path], clients: int, times: int) -> None:
    """Runs the scripts on all copies at once, each `times` times by each of `clients`."""
    running = [
        subprocess.Popen(
            _client(
                shop, "pgbench", database + _COPY, "--no-vacuum", "--protocol", "prepared",
                "--client", str(clients), "--transactions", str(times), "--file", str(file),
            ),
            env=_environment(shop), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for database, file in files.items()
    ]
    outputs = [process.communicate()[0] for process in running]
    for process, output in zip(running, outputs, strict=True):
        if process.returncode != 0:
            raise Failure(f"pgbench failed:\n{output[-2000:]}")


def _client(shop: Shopfront, program: str, database: str, *arguments: str) -> list[str]:
    place = ("--host", shop.instance.address("postgres"), "--username", "postgres")
    return [str(paths.POSTGRES_BIN / program), *arguments, *place, database]


def _environment(shop: Shopfront) -> dict[str, str]:
    return {**os.environ, "PGPASSWORD": secrets_store.read(shop.instance, "postgres.admin")}


def _entries(lines: list[str]) -> list[str]:
    """A statement may have line ends of its own."""
    entries: list[str] = []
    for line in lines:
        if _START.match(line) or not entries:
            entries.append(line)
        else:
            entries[-1] += "\n" + line
    return entries


def _transactions(lines: list[str]) -> list[Transaction]:
    opened: dict[str, Transaction] = {}
    done: list[Transaction] = []
    last: dict[str, Statement] = {}
    for entry in _entries(lines):
        match = _LINE.match(entry)
        if match is None:
            continue
        process, database, level, text = match.groups()
        if level == "DETAIL":
            if process in last and text.lower().startswith("parameters:"):
                last[process].parameters = [value for _, value in _PARAMETER.findall(text)]
            continue
        verb = text.split(None, 1)[0].strip(";").lower()
        if verb == "begin":
            opened[process] = Transaction(database, text.split(";")[0])
        elif verb in ("commit", "rollback"):
            transaction = opened.pop(process, None)
            if transaction is not None and verb == "commit" and transaction.statements:
                done.append(transaction)
        elif process in opened:
            last[process] = Statement(text)
            opened[process].statements.append(last[process])
    return done


class _Writer:
    """Turns transactions into a script."""

    def __init__(self, fixed: set[str]) -> None:
        self._fixed = fixed
        self._names: dict[str, str] = {}
        self._places = 0  # in the outbox, named one after the other
        self._marked = 0
        self._stock = ""  # the version that the stock has had when this was recorded
        self._stock_name = ""
        self._stocks = 0

    def script(self, transactions: list[Transaction]) -> str:
        body: list[str] = []
        for transaction in transactions:
            statements = [
                line for each in transaction.statements if (line := self._statement(each))
            ]
            if statements:
                body += [f"{transaction.begin};", *statements, "commit;"]
        if not body:
            return ""
        # All new ids in one statement before the first transaction.
        new = ", ".join(f"uuidv7()::text as {name}" for name in self._names.values())
        head = [f"select {new} \\gset"] if new else []
        return "\n".join([*head, *body]) + "\n"

    def _statement(self, each: Statement) -> str:
        text = " ".join(each.text.split())
        if text.startswith(_LOOPS) or text.startswith("select seq, event_id"):
            return ""
        if text.startswith("update outbox"):
            return self._mark(text, each.parameters)
        stock = text.startswith("insert into outbox") and each.parameters[2] == "'stock'"
        if stock:
            self._stock = each.parameters[4]
        versioned = stock or text.startswith('INSERT INTO "stock_ledger"')

        def place(match: re.Match[str]) -> str:
            value, cast = each.parameters[int(match[1]) - 1], match[2]
            if versioned and self._stock_name and value == self._stock:
                return f":{self._stock_name}"
            return self._value(value, cast)

        line = _PLACE.sub(place, text)
        if text.startswith("insert into outbox"):
            self._places += 1
            return f"{line} \\gset o{self._places}_"
        if text.startswith(_STOCK):
            self._stocks += 1
            self._stock_name = f"s{self._stocks}_version"
            return f"{line} \\gset s{self._stocks}_"
        return f"{line};"

    def _mark(self, text: str, parameters: list[str]) -> str:
        count = parameters[0].count(",") + 1
        first, self._marked = self._marked + 1, min(self._marked + count, self._places)
        places = ", ".join(f":o{number}_seq" for number in range(first, self._marked + 1))
        if not places:
            return ""
        return text.replace("$1", f"array[{places}]::bigint[]") + ";"

    def _value(self, value: str, cast: str) -> str:
        inner = value[1:-1]
        if _UUID.fullmatch(inner):
            return self._id(inner) + cast
        if value.startswith("'{") and not inner.startswith('{"'):
            elements = inner[1:-1].split(",") if inner != "{}" else []
            ids = [bool(_UUID.fullmatch(element)) for element in elements]
            if any(ids):
                listed = ", ".join(
                    self._id(each) if is_id else f"'{each}'"
                    for each, is_id in zip(elements, ids, strict=True)
                )
                return f"array[{listed}]" + (cast or "::uuid[]")
        if _VARIABLE.search(value):
            # pgbench looks for its variables inside of quotes, too.
            value = "E" + value.replace("\\", "\\\\").replace(":", "\\x3a")
        return value + cast

    def _id(self, found: str) -> str:
        if found in self._fixed:
            return f"'{found}'"
        return ":" + self._names.setdefault(found, f"u{len(self._names) + 1}")
