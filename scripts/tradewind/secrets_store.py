"""Passwords of an instance: made once, kept in files that only their owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from tradewind.instance import SERVICES, Instance

# 32 random bytes; URL-safe, so that they need no quoting in any configuration file.
SECRET_BYTES = 32

NAMES = (
    "postgres.admin", "kafka.admin", "kafka.broker", "kafka.controller", "psp",
    *(f"postgres.{service}" for service in SERVICES),
    *(f"kafka.{service}" for service in SERVICES),
)


def ensure(instance: Instance) -> None:
    """Makes the secrets that are missing; the others stay as they are."""
    for name in NAMES:
        path = instance.secret_file(name)
        if not path.exists():
            write_private(path, secrets.token_urlsafe(SECRET_BYTES))


def read(instance: Instance, name: str) -> str:
    return instance.secret_file(name).read_text()


def write_private(path: Path, text: str) -> None:
    """Writes a file of mode 0600 that is either whole or not there.

    What would not change stays untouched: a newer file restarts the program that reads it.
    """
    if path.exists() and path.read_text() == text:
        return
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.rename(path)
