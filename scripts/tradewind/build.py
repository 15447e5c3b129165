"""Builds the workspace's binaries with cargo, which prints its own progress."""

from __future__ import annotations

import subprocess

from tradewind import paths
from tradewind.console import Failure, say

# With `--locked` cargo asks no registry once every crate is in its cache.
COMMAND = ("cargo", "build", "--workspace", "--bins", "--locked")


def binaries() -> None:
    """All binaries of the workspace; about a second when there is nothing to do."""
    say("building with cargo (about six minutes on two cores the first time)")
    if subprocess.run(COMMAND, cwd=paths.ROOT, check=False).returncode != 0:
        raise Failure("cargo build failed")
