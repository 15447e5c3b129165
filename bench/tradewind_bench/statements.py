"""The transactions of one order, read from PostgreSQL's log of statements."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any

from tradewind_bench.shopfront import Shopfront

SECONDS = 3
# As `log_line_prefix` in scripts/tradewind/postgres.py writes it: time, process, user@database.
_LINE = re.compile(
    r"^\S+ \S+ UTC \[(\d+)\] (\w+)@(\w+) LOG:  (?:statement|execute [^:]+): (.*)$"
)
_TABLE = re.compile(r"\b(?:from|into|update|join)\s+(?:\"?\w+\"?\.)?\"?(\w+)\"?", re.IGNORECASE)
_ENDS = ("commit", "rollback")
_WRITES = re.compile(r"\b(insert|update|delete)\b")


def lines_of_one_order(shop: Shopfront) -> list[str]:
    """What PostgreSQL logs while one order runs from POST to its last mail and mark."""
    _log(shop, "all")
    try:
        start = _size(shop)
        shop.order(shop.customer())
        shop.settle()
        time.sleep(SECONDS / 2)
        end = _size(shop)
    finally:
        _log(shop, "none")
    return _lines(shop, start, end)


def of_one_order(shop: Shopfront) -> list[dict[str, Any]]:
    """Each kind of transaction with its count; what an idle shop does as well is left out.

    A statement with a common table expression counts as a read if nothing else in its transaction
    writes, which holds for ours.
    """
    _log(shop, "all")
    try:
        start = _size(shop)
        time.sleep(SECONDS)
        middle = _size(shop)
        shop.order(shop.customer())
        shop.settle()
        time.sleep(SECONDS / 2)
        end = _size(shop)
    finally:
        _log(shop, "none")
    idle = _transactions(shop, start, middle)
    return [
        {
            "database": database, "text": text, "times": times,
            "writes": _WRITES.search(text) is not None,
        }
        for (database, text), times in _transactions(shop, middle, end).items()
        if (database, text) not in idle
    ]


def _log(shop: Shopfront, what: str) -> None:
    shop.sql("postgres", f"alter system set log_statement = '{what}'")
    shop.sql("postgres", "select pg_reload_conf()")
    time.sleep(0.5)


def _size(shop: Shopfront) -> int:
    return (shop.instance.logs / "postgres.log").stat().st_size


def _transactions(shop: Shopfront, start: int, end: int) -> Counter[tuple[str, str]]:
    """(database, statements) → how often, between two places of the log."""
    open_ones: dict[str, list[str]] = {}
    found: Counter[tuple[str, str]] = Counter()
    for line in _lines(shop, start, end):
        match = _LINE.match(line)
        if match is None or match[2] == "postgres":
            continue
        process, _, database, statement = match.groups()
        verb = statement.split(None, 1)[0].strip(";").lower()
        if verb in ("begin", "start"):
            open_ones[process] = []
        elif verb in _ENDS:
            done = [*open_ones.pop(process, []), *([] if verb == "commit" else [verb])]
            found[database, " · ".join(done)] += 1
        elif process in open_ones:
            open_ones[process].append(_short(verb, statement))
        else:
            found[database, _short(verb, statement)] += 1
    return found


def _lines(shop: Shopfront, start: int, end: int) -> list[str]:
    with (shop.instance.logs / "postgres.log").open("rb") as file:
        file.seek(start)
        return file.read(end - start).decode(errors="replace").splitlines()


def _short(verb: str, statement: str) -> str:
    table = _TABLE.search(statement)
    return f"{verb} {table[1]}" if table else verb
