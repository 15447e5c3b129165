"""A whole Tradewind of its own for one benchmark, and customers that order from it by REST."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from tradewind import components, dev_jwt, instance as instances, lifecycle, paths
from tradewind.console import Failure, say
from tradewind.instance import REST_PORT
from tradewind.programs import Options
from tradewind.supervisor import Supervisor

PACKAGES = (
    "mesh-control-plane", "mesh-sidecar", "shop-product", "shop-order", "shop-payment",
    "shop-notification", "shop-sim",
)
# More than any run orders.
STOCK = 5_000_000
MAILS_PER_ORDER = 2
SETTLED_WITHIN_SECONDS = 120
TIMEOUT_SECONDS = 30
# What a service answers that has more to do than it can, and what the benchmark then waits.
SHED_STATUS = (429, 503)
SHED_PAUSE_SECONDS = 0.1


class Shed(Exception):
    """An order was refused for overload; nothing has happened."""


class Shopfront:
    """An instance with release binaries; everything of it is gone after the block."""

    def __init__(self, build_first: bool) -> None:
        # Another profile, with --no-build, is for trying a change of the benchmark itself.
        os.environ.setdefault("TRADEWIND_PROFILE", "release")
        if build_first:
            build()
        self.instance, self._lock = instances.take_free()
        self.supervisor = Supervisor(self.instance)
        self._ordered: list[str] = []
        self._product = ""
        self.shed = 0  # orders that were refused for overload and sent again

    def __enter__(self) -> Shopfront:
        self.instance.remove()
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        lifecycle.stop(self.instance)
        self.instance.remove()
        os.close(self._lock)

    def start(self) -> None:
        lifecycle.start(self.instance, Options(otlp_endpoint=None, log="info"), lock=self._lock)

    def stock(self) -> None:
        """Creates the one product that all orders are for."""
        client = Customer(self, "merchant", "merchant")
        body = {
            "sku": f"BENCH-{uuid.uuid4().hex[:8]}", "name": "Benchmark", "category": "bench",
            "description": "One of many", "initialStock": STOCK,
            "price": {"currencyCode": "USD", "units": "10", "nanos": 0},
        }
        self._product = client.post("/v1/products", body)["id"]

    def customer(self, number: int = 0) -> Customer:
        return Customer(self, f"bench{number}", "customer")

    def order(self, customer: Customer) -> str:
        """Places one order and returns its id as soon as it is accepted."""
        body = {
            "email": "bench@example.com", "paymentToken": "tok_ok",
            "lines": [{"productId": self._product, "quantity": 1}],
        }
        key = str(uuid.uuid4())
        while True:
            try:
                order = customer.post("/v1/orders", body, key)["id"]
                break
            except Shed:
                self.shed += 1
                time.sleep(SHED_PAUSE_SECONDS)
        self._ordered.append(order)
        return order

    def orders(self, count: int, workers: int) -> None:
        """Places `count` orders, `workers` at a time."""
        numbers = iter(range(count))
        turn = threading.Lock()

        def more() -> bool:
            with turn:
                return next(numbers, None) is not None

        self._with_workers(workers, more)

    def orders_until(self, end: float, workers: int) -> None:
        """Places orders, `workers` at a time, until `time.monotonic()` is `end`."""
        self._with_workers(workers, lambda: time.monotonic() < end)

    def orders_paced(self, end: float, per_second: float, workers: int) -> None:
        """Places orders at a steady rate until `end`, however long each takes."""
        turn = threading.Lock()
        began, placed = time.monotonic(), 0

        def more() -> bool:
            nonlocal placed
            with turn:
                placed += 1
                due = began + placed / per_second
            time.sleep(max(0.0, due - time.monotonic()))
            return due < end

        self._with_workers(workers, more)

    def fixed_ids(self) -> set[str]:
        """Ids that every order has in common."""
        return {self._product}

    def settle(self) -> None:
        """Waits until every order that was placed has its last mail."""
        deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
        wanted = len(self._ordered) * MAILS_PER_ORDER
        while (there := sum(1 for _ in self.instance.mail.glob("*.eml"))) < wanted:
            if time.monotonic() > deadline:
                raise Failure(f"{there} of {wanted} mails after {SETTLED_WITHIN_SECONDS} s")
            time.sleep(0.2)

    def sql(self, database: str, query: str) -> list[list[str]]:
        """Rows of a query of the superuser, as text."""
        environment = {
            **os.environ,
            "PGPASSWORD": (self.instance.run / "secrets/postgres.admin").read_text(),
        }
        result = subprocess.run(
            [
                str(paths.POSTGRES_BIN / "psql"), "--no-psqlrc", "--quiet", "--tuples-only",
                "--no-align", "--field-separator", "\t", "--set", "ON_ERROR_STOP=1",
                "--host", self.instance.address("postgres"), "--username", "postgres",
                "--dbname", database, "--command", query,
            ],
            env=environment, capture_output=True, text=True, check=False,
        )
        if result.returncode != 0:
            raise Failure(result.stderr)
        return [line.split("\t") for line in result.stdout.splitlines() if line]

    def _with_workers(self, workers: int, more: Callable[[], bool]) -> None:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                customer = self.customer(number)
                while not failures and more():
                    self.order(customer)
            except BaseException as failure:  # noqa: BLE001 - raised by the caller below
                failures.append(failure)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]


class Customer:
    """One end user with one connection."""

    def __init__(self, shop: Shopfront, subject: str, role: str) -> None:
        # Made once: signing is work that no service does for an order.
        self._token = dev_jwt.token(shop.instance, subject, [role])
        self._connection = http.client.HTTPConnection(
            shop.instance.address("gateway"), REST_PORT, timeout=TIMEOUT_SECONDS
        )

    def post(self, path: str, body: dict[str, Any], key: str = "") -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self._token}", "Content-Type": "application/json",
            "Idempotency-Key": key or str(uuid.uuid4()),
        }
        self._connection.request("POST", path, json.dumps(body), headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status in SHED_STATUS:
            raise Shed
        if response.status >= 300:
            raise Failure(f"POST {path}: {response.status} {text[:500]!r}")
        return json.loads(text)


def build() -> None:
    """Builds the services as for production."""
    components.ensure(components.RUNTIME)
    say("building the services in release (many minutes the first time)")
    command = ["cargo", "build", "--release", "--locked", "--bins"]
    command += [word for package in PACKAGES for word in ("--package", package)]
    if subprocess.run(command, cwd=paths.ROOT, check=False).returncode != 0:
        raise Failure("cargo build failed")
