"""The shop as its REST clients see it: seed products, place an order, watch it travel."""

from __future__ import annotations

import email
import email.policy
import json
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from tradewind import dev_jwt, paths
from tradewind.console import Failure, say, show
from tradewind.instance import Instance

REQUEST_TIMEOUT_SECONDS = 15
SETTLED_WITHIN_SECONDS = 60
MAIL_WITHIN_SECONDS = 30
POLL_SECONDS = 0.1
PAGE_SIZE = 1000
CUSTOMER = "c1"
FINAL = ("PAID", "CANCELLED")
# Right after the start a service may still be finding its peers; that is not the reader's problem.
RETRIED = (502, 503, 504)
RETRY_WITHIN_SECONDS = 30


class Shop:
    """REST calls with a token of one role."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        # No proxy: the environment of a developer may name one for everything.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str, role: str | None = None) -> dict[str, Any]:
        return self._call("GET", path, role, None, {})

    def post(self, path: str, role: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        return self._call("POST", path, role, body, {"Idempotency-Key": key})

    def _call(
        self, method: str, path: str, role: str | None, body: dict[str, Any] | None,
        headers: dict[str, str],
    ) -> dict[str, Any]:
        deadline = time.monotonic() + RETRY_WITHIN_SECONDS
        while True:
            # Every call is idempotent: reads are, and writes carry a key.
            status, answer = self._once(method, path, role, body, headers)
            if status < 300:
                return answer
            if status not in RETRIED or time.monotonic() > deadline:
                raise Failure(f"{method} {path}: {status} {json.dumps(answer)}")
            time.sleep(POLL_SECONDS * 5)

    def _once(
        self, method: str, path: str, role: str | None, body: dict[str, Any] | None,
        headers: dict[str, str],
    ) -> tuple[int, dict[str, Any]]:
        headers = dict(headers)
        if role is not None:
            subject = CUSTOMER if role == "customer" else role
            headers["Authorization"] = f"Bearer {dev_jwt.token(self._instance, subject, [role])}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(
            self._instance.rest_url + path, data=data, headers=headers, method=method
        )
        try:
            with self._opener.open(request, timeout=REQUEST_TIMEOUT_SECONDS) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, _json_or_text(error.read())
        except OSError as error:
            return 503, {"message": str(error)}


def seed(instance: Instance) -> list[dict[str, Any]]:
    """Creates the products of `seed.toml` that are not there yet and returns all products."""
    shop = Shop(instance)
    known = {product["sku"] for product in _products(shop)}
    with (paths.SCRIPTS / "seed.toml").open("rb") as file:
        wanted = tomllib.load(file)["products"]
    new = [product for product in wanted if product["sku"] not in known]
    for product in new:
        units, cents = divmod(product["price_cents"], 100)
        body = {
            "sku": product["sku"], "name": product["name"],
            "description": product["description"], "category": product["category"],
            "price": {"currencyCode": "USD", "units": str(units), "nanos": cents * 10_000_000},
            "initialStock": product["stock"],
        }
        shop.post("/v1/products", "merchant", body, f"seed-{product['sku']}-{uuid.uuid4()}")
    categories = {product["category"] for product in wanted}
    say(f"catalogue: {len(new)} of {len(wanted)} products created, {len(categories)} categories")
    return _products(shop)


def walk(instance: Instance, payment_token: str) -> bool:
    """Places one order, shows every change until it is settled, and the mail; True when PAID."""
    shop = Shop(instance)
    product = _orderable(shop)
    body = {
        "email": "ada@example.com",
        "lines": [{"productId": product["id"], "quantity": 1}],
        "paymentToken": payment_token,
    }
    show(f"\nPOST {instance.rest_url}/v1/orders   1 x {product['name']}, {payment_token}")
    order = shop.post("/v1/orders", "customer", body, str(uuid.uuid4()))
    show(f"  order {order['id']}   total {_money(order['total'])}")
    status = _watch(shop, order)
    paid = status == "PAID"
    for mail in _mails(instance, order["id"], "receipt" if paid else "payment_failed", shop):
        show(f"  mail  {mail}")
    return paid


def _watch(shop: Shop, order: dict[str, Any]) -> str:
    """Shows each change from the order's own history: looking at its status would miss some."""
    began = time.monotonic()
    shown = 0
    while time.monotonic() - began < SETTLED_WITHIN_SECONDS:
        history = shop.get(f"/v1/orders/{order['id']}/history", "customer")["transitions"]
        for change in history[shown:]:
            reason = f" ({change['reason']})" if change.get("reason") else ""
            when = change["transitionTime"][11:23]
            show(f"  {when}  {change['to'] + reason:<28} {change['actor']}")
        shown = len(history)
        if history and history[-1]["to"] in FINAL:
            return history[-1]["to"]
        time.sleep(POLL_SECONDS)
    raise Failure(f"order {order['id']} is not settled after {SETTLED_WITHIN_SECONDS} s")


def _mails(instance: Instance, order: str, awaited: str, shop: Shop) -> list[str]:
    """Waits until the awaited mail is a file; returns a line for each mail of the order."""
    deadline = time.monotonic() + MAIL_WITHIN_SECONDS
    while True:
        answer = shop.get(f"/v1/notifications?order_id={urllib.parse.quote(order)}", "customer")
        sent = [item for item in answer["notifications"] if item["status"] == "SENT"]
        if any(item["template"] == awaited for item in sent):
            lines = [_mail_line(instance, item["messageId"]) for item in reversed(sent)]
            if all(lines):
                return [line for line in lines if line]
        if time.monotonic() > deadline:
            raise Failure(f"no {awaited} mail for order {order}; see {instance.logs}")
        time.sleep(POLL_SECONDS)


def _mail_line(instance: Instance, message_id: str) -> str | None:
    for path in sorted(instance.mail.glob("*.eml")):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        if str(mail["Message-ID"]).strip("<>") == message_id.strip("<>"):
            return f"{mail['Subject']}   {_shown(path)}"
    return None


def _products(shop: Shop) -> list[dict[str, Any]]:
    products: list[dict[str, Any]] = []
    token = ""
    while True:
        query = urllib.parse.urlencode({"page_size": PAGE_SIZE, "page_token": token})
        page = shop.get(f"/v1/products?{query}")
        products += page["products"]
        token = page.get("nextPageToken", "")
        if not token:
            return products


def _orderable(shop: Shop) -> dict[str, Any]:
    for product in _products(shop):
        if product["stock"]["available"] > 0:
            return product
    raise Failure("no product has stock left; create one or run make clean and make up")


def _money(money: dict[str, Any]) -> str:
    cents = int(money.get("nanos") or 0) // 10_000_000
    return f"{money.get('units') or 0}.{cents:02d} {money['currencyCode']}"


def _json_or_text(data: bytes) -> dict[str, Any]:
    try:
        return json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")}


def _shown(path: Path) -> str:
    """Relative to where the reader stands, when that is shorter."""
    return str(path.relative_to(paths.ROOT)) if path.is_relative_to(paths.ROOT) else str(path)
