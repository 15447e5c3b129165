"""Builds the workspace's binaries with cargo, which prints its own progress."""

from __future__ import annotations

import subprocess

from tradewind import paths
from tradewind.console import Failure, say


def binaries() -> None:
    """All binaries of the workspace; about a second when there is nothing to do."""
    say("building with cargo (about six minutes on two cores the first time)")
    _cargo("build", "--workspace", "--bins")


def tests() -> None:
    """Compiles the tests, so that the compiler and a running instance never share the machine."""
    say("building the tests with cargo")
    _cargo("test", "--workspace", "--no-run")


def _cargo(*arguments: str) -> None:
    # With `--locked` cargo asks no registry once every crate is in its cache.
    command = ["cargo", *arguments, "--locked"]
    if subprocess.run(command, cwd=paths.ROOT, check=False).returncode != 0:
        raise Failure(f"{' '.join(command)} failed")
