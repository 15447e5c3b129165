"""`make up`: from a fresh machine to a running shop, a first order, a table of what is where."""

from __future__ import annotations

import socket

from tradewind import build, components, doctor, lifecycle, shop
from tradewind.console import Failure, say, show
from tradewind.instance import ENVOY_ADMIN_PORT, KAFKA_PORT, POSTGRES_PORT, REST_PORT, Instance
from tradewind.programs import Options
from tradewind.supervisor import Supervisor


def up(instance: Instance) -> None:
    """Idempotent: what is fetched, built, running and seeded is found and left as it is."""
    doctor.check(install=True)
    components.ensure(components.RUNTIME)
    _check_port(instance)
    build.binaries()
    lifecycle.start(instance, Options())
    shop.seed(instance)
    say("placing one order")
    if not shop.walk(instance, "tok_ok"):
        raise Failure("the first order was not paid")
    _table(instance)


def down(instance: Instance) -> None:
    """Stops everything and keeps the data."""
    say("stopped; the data is kept" if lifecycle.stop(instance) else "nothing ran")


def _check_port(instance: Instance) -> None:
    """Says early that the newcomer's port is taken; Envoy would only say so in its log."""
    if Supervisor(instance).alive():
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", REST_PORT))
        except OSError:
            raise Failure(
                f"another program listens on 127.0.0.1:{REST_PORT}; stop it and try again"
            ) from None


def _table(instance: Instance) -> None:
    kafka, postgres = instance.address("kafka"), instance.address("postgres")
    rows = (
        ("REST", f"{instance.rest_url}/v1/products"),
        ("Envoy admin", f"http://{instance.address('gateway')}:{ENVOY_ADMIN_PORT}/"),
        ("order metrics", f"http://{instance.address('order')}:15020/metrics"),
        ("order readiness", f"http://{instance.address('order')}:15021/readyz"),
        ("PostgreSQL", f"{postgres}:{POSTGRES_PORT} (databases product, order, payment, ...)"),
        ("Kafka", f"{kafka}:{KAFKA_PORT} (SCRAM; passwords in {instance.run}/secrets)"),
        ("mails", f"{instance.mail}/"),
        ("logs", f"{instance.logs}/"),
    )
    show("\nTradewind is up.\n")
    for name, where in rows:
        show(f"  {name:<16} {where}")
    show("""
Try next:
  make order                an order that is paid
  make declined             an order whose payment is declined
  make logs S=order         follow a service's log
  make status               what runs
  make test                 all tests, as their own instance beside this one
  make down                 stop everything, keep the data

  TOKEN=$(scripts/token --sub c1 --role customer)""")
    show(f"  curl -s -H \"Authorization: Bearer $TOKEN\" {instance.rest_url}/v1/orders")
