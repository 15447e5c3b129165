"""What the commands say to the person who runs them. Programs write to their own logs."""

from __future__ import annotations

import sys
import time
from typing import NoReturn

_START = time.monotonic()


class Failure(Exception):
    """A refusal that the reader can act on; printed without a stack trace."""


def say(text: str) -> None:
    """One progress line with the seconds since the command began."""
    print(f"[{time.monotonic() - _START:6.1f}s] {text}", flush=True)


def show(text: str = "") -> None:
    """A line of the command's own result."""
    print(text, flush=True)


def fail(text: str) -> NoReturn:
    """Ends the command with a message and status 1."""
    print(f"\n{text}", file=sys.stderr, flush=True)
    raise SystemExit(1)
