"""Customers under faults: an open loop of mixed orders, and what their clients were told.

Orders arrive at their own times, whether or not the shop keeps up. A client whose call fails sends
it again with the same key, as the contract asks of it; what it was told is written down, because
the reconciler holds the shop to it.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tradewind import dev_jwt
from tradewind.instance import Instance
from tradewind.shop import Shop

CUSTOMERS = ("ada", "bob", "cleo", "dan", "eve")
# Story → how many of a hundred orders. Time-outs keep tasks at work for seconds: without them a
# quick machine would seldom be caught with a lease in its hands.
STORIES = {
    "ok": 49, "declined": 10, "out of stock": 8, "timeout": 10, "cancel": 12, "refund": 11,
}
# Longer than any answer that Envoy waits for (its route timeout is below it).
CALL_SECONDS = 20
# A client's pause before it asks again: it doubles, with jitter, as a client's should.
AGAIN_SECONDS = 0.5
AGAIN_MOST_SECONDS = 8.0
# After the faults a client goes on with what it has begun, for this long at most.
PATIENCE_SECONDS = 40
# Every fifth acknowledged key is sent once more: it must have the same answer.
ECHO_SHARE = 0.2
# More at once would measure this process instead of the shop. What is not begun is counted.
STORIES_MAX = 400
TOKEN_SECONDS = 1800
# Enough that orders seldom wait for each other's stock rows, and sometimes do.
PRODUCTS = 30
SETTLED = ("PAID", "CANCELLED")
# The answer says nothing about the effect: the call is sent again with its key.
UNKNOWN = (0, 408, 409, 429, 500, 502, 503, 504)


@dataclass
class Told:
    """What clients know. Guarded by its lock: every story is a thread."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    orders: dict[str, set[str]] = field(default_factory=dict)  # id → statuses that were shown
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)  # promises that a client itself saw broken

    def count(self, name: str) -> None:
        with self.lock:
            self.counts[name] += 1

    def order(self, order: dict[str, Any]) -> None:
        with self.lock:
            self.orders.setdefault(order["id"], set()).add(order["status"])

    def lines(self) -> str:
        """The file of acknowledged orders, as `checker reconcile --acknowledged` reads it."""
        with self.lock:
            shown = [(order, sorted(seen)) for order, seen in self.orders.items()]
        return "".join(f"{order} {status}\n" for order, seen in shown for status in seen)


class Load:
    """The open loop. `run` returns at `until`; `finish` waits for the stories that go on."""

    def __init__(self, instance: Instance, seed: int, rate: float) -> None:
        self._instance = instance
        self._random = random.Random(f"load {seed}")
        self._rate = rate
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._threads: list[threading.Thread] = []
        self._tokens: dict[str, str] = {}
        self._signed = 0.0
        self._ends = float("inf")
        self.told = Told()
        self._products = _products(instance)
        self._sign()

    def run(self, until: float) -> None:
        """Places orders at random times, `rate` per second, until then."""
        while (now := time.monotonic()) < until:
            if now - self._signed > TOKEN_SECONDS:
                self._sign()
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._begin()
            time.sleep(self._random.expovariate(self._rate))

    def finish(self) -> None:
        """Stories that wait for an answer get their patience, no more."""
        self._ends = time.monotonic() + PATIENCE_SECONDS
        for thread in self._threads:
            thread.join()

    def _begin(self) -> None:
        # Drawn also when it is not begun, so that a seed means the same stories every time.
        story = self._random.choices([*STORIES], [*STORIES.values()])[0]
        customer = self._random.choice(CUSTOMERS)
        luck = random.Random(self._random.getrandbits(64))
        self.told.count("arrived")
        if len(self._threads) >= STORIES_MAX:
            self.told.count("not begun: too many wait")
            return
        thread = threading.Thread(
            target=self._tell, args=(story, customer, luck), name=f"story {story}", daemon=True
        )
        thread.start()
        self._threads.append(thread)

    def _tell(self, story: str, customer: str, luck: random.Random) -> None:
        try:
            order = self._place(story, customer, luck)
            if order is None:
                self.told.count(f"given up: {story}")
                return
            self.told.count(f"acknowledged: {story}")
            if story == "cancel":
                time.sleep(luck.uniform(0, 2))
                path = f"/v1/orders/{order['id']}:cancel"
                # PAID and shipped is the one refusal; here nothing ships.
                answer = self._until_known("POST", path, customer, {}, None, luck)
                if answer is not None and answer[0] == 200:
                    self.told.order(answer[1])
                    self.told.count("cancels acknowledged")
            if story == "refund":
                self._refund(order["id"], customer, luck)
            self._look(order["id"], customer, luck)
        except Exception as error:  # noqa: BLE001 - a story that breaks is a finding, not an end
            with self.told.lock:
                self.told.broken.append(f"a client failed: {error!r}")

    def _place(
        self, story: str, customer: str, luck: random.Random
    ) -> dict[str, Any] | None:
        scarce = story == "out of stock"
        products = self._products["scarce" if scarce else "plenty"]
        chosen = luck.sample(products, 1 if scarce else luck.randint(1, 3))
        token = {"declined": "tok_declined", "timeout": "tok_timeout"}.get(story, "tok_ok")
        body = {
            "email": f"{customer}@example.com", "paymentToken": token,
            "lines": [{"productId": p, "quantity": luck.randint(1, 3)} for p in chosen],
        }
        key = str(uuid.UUID(int=luck.getrandbits(128)))
        answer = self._until_known("POST", "/v1/orders", customer, body, key, luck)
        if answer is None:
            return None
        status, order = answer
        if status != 200:
            self._broken(f"POST /v1/orders was refused: {status} {json.dumps(order)[:300]}")
            return None
        self.told.order(order)
        if luck.random() < ECHO_SHARE:
            again = self._until_known("POST", "/v1/orders", customer, body, key, luck)
            if again is not None:
                self.told.count("keys sent again after success")
                if again[0] != 200 or again[1]["id"] != order["id"]:
                    self._broken(f"key {key} made {order['id']}, then answered {again}")
        return order

    def _refund(self, order: str, customer: str, luck: random.Random) -> None:
        if self._look(order, customer, luck) != "PAID":
            return
        path = f"/v1/payments?order_id={order}"
        answer = self._until_known("GET", path, "support", None, None, luck)
        if answer is None or not answer[1].get("payments"):
            return
        payment = answer[1]["payments"][0]["id"]
        key = str(uuid.UUID(int=luck.getrandbits(128)))
        path = f"/v1/payments/{payment}:refund"
        answer = self._until_known("POST", path, "support", {"reason": "chaos"}, key, luck)
        if answer is not None and answer[0] == 200:
            self.told.count("refunds acknowledged")

    def _look(self, order: str, customer: str, luck: random.Random) -> str | None:
        """Looks at the order until it is settled or patience ends; returns its last status."""
        status = None
        for pause in _pauses(luck):
            if time.monotonic() >= self._ends:
                return status
            answer = self._call("GET", f"/v1/orders/{order}", customer, None, None)
            if answer[0] == 200:
                self.told.order(answer[1])
                status = answer[1]["status"]
                if status in SETTLED:
                    self.told.count(f"seen {status}")
                    return status
            elif answer[0] not in UNKNOWN:
                self._broken(f"order {order} was acknowledged; GET answers {answer[0]}")
                return None
            self._sleep(pause)
        return status

    def _until_known(
        self, method: str, path: str, who: str, body: dict[str, Any] | None, key: str | None,
        luck: random.Random,
    ) -> tuple[int, dict[str, Any]] | None:
        """Sends a call until its answer says what happened; None when patience ends first."""
        for pause in _pauses(luck):
            if time.monotonic() >= self._ends:
                return None
            answer = self._call(method, path, who, body, key)
            if answer[0] not in UNKNOWN:
                return answer
            self.told.count("calls sent again")
            self._sleep(pause)
        return None

    def _sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, min(seconds, self._ends - time.monotonic())))

    def _call(
        self, method: str, path: str, who: str, body: dict[str, Any] | None, key: str | None
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer; status 0 when the connection was refused, cut or silent."""
        headers = {"Authorization": f"Bearer {self._tokens[who]}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(
            self._instance.rest_url + path, method=method, headers=headers,
            data=None if body is None else json.dumps(body).encode(),
        )
        self.told.count("calls")
        try:
            with self._opener.open(request, timeout=CALL_SECONDS) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode(errors="replace")
            self.told.count(f"answers {status}")
            return status, {"error": text}
        except (OSError, ValueError, http.client.HTTPException) as error:
            # Refused by a gateway that is down, or cut in the middle of an answer.
            reason = getattr(error, "reason", error)
            self.told.count(f"cut: {type(reason).__name__}")
            return 0, {}

    def _broken(self, text: str) -> None:
        with self.told.lock:
            self.told.broken.append(text)

    def _sign(self) -> None:
        tokens = {who: dev_jwt.token(self._instance, who, ["customer"]) for who in CUSTOMERS}
        tokens["support"] = dev_jwt.token(self._instance, "support", ["support"])
        self._tokens = tokens
        self._signed = time.monotonic()


def _pauses(luck: random.Random) -> Iterator[float]:
    pause = AGAIN_SECONDS
    while True:
        yield pause * luck.uniform(0.5, 1.0)
        pause = min(2 * pause, AGAIN_MOST_SECONDS)


def _products(instance: Instance) -> dict[str, list[str]]:
    """Products with plenty of stock, and two that are soon sold out."""
    shop = Shop(instance)
    made: dict[str, list[str]] = {"plenty": [], "scarce": []}
    for kind, count, stock in (("plenty", PRODUCTS, 1_000_000), ("scarce", 2, 3)):
        for number in range(count):
            body = {
                "sku": f"CHAOS-{kind.upper()}-{number}-{uuid.uuid4().hex[:8]}",
                "name": f"{kind} {number}", "description": "", "category": "chaos",
                "price": {"currencyCode": "USD", "units": str(5 + number), "nanos": 0},
                "initialStock": stock,
            }
            product = shop.post("/v1/products", "merchant", body, str(uuid.uuid4()))
            made[kind].append(product["id"])
    return made
