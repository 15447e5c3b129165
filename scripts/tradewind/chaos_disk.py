"""The disk under Kafka in a chaos run: a tmpfs so small that it can be filled, where we may mount.

Only root may. Elsewhere a run goes without this fault and says so.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tradewind import paths
from tradewind.console import say
from tradewind.instance import Instance

# An hour of chaos takes less than half of it; all of it is memory while it is filled.
SIZE_MIB = 256
FILLER = "filler"
# What the broker frees meanwhile is taken, too.
TOP_UP_SECONDS = 0.2
# It writes several times a second, but a starved machine is slow.
NOTICED_SECONDS = 60
# How the broker names what it met.
MET = "No space left on device"


class SmallDisk:
    """Kafka's folder as a file system of its own."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._folder = instance.data / "kafka"
        self.mounted = False

    def mount(self) -> None:
        """Before Kafka's folder is formatted. Where it is not permitted, nothing changes."""
        if not paths.as_root():
            say("only root may mount: the disk under Kafka will not be filled")
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [
            "mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=0700", "tmpfs",
            str(self._folder),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.mounted = done.returncode == 0
        if not self.mounted:
            say(f"the disk under Kafka will not be filled: {done.stderr.strip()}")

    def unmount(self) -> None:
        """Also what a run left behind that was killed."""
        while os.path.ismount(self._folder):
            subprocess.run(["umount", "--lazy", str(self._folder)], check=True)
        self.mounted = False

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Leaves no room; the body begins when the broker has noticed."""
        filler = self._folder / FILLER
        log = self._instance.logs / "kafka.log"
        before = _count(log)
        until = time.monotonic() + NOTICED_SECONDS
        try:
            with filler.open("wb") as file:
                while _count(log) <= before:
                    if time.monotonic() > until:
                        raise TimeoutError("Kafka never met the full disk")
                    _take_all(file.fileno())
                    time.sleep(TOP_UP_SECONDS)
                yield
        finally:
            filler.unlink(missing_ok=True)


def _take_all(descriptor: int) -> None:
    disk = os.fstatvfs(descriptor)
    free = disk.f_bavail * disk.f_frsize
    if free:
        size = os.fstat(descriptor).st_size
        try:
            os.posix_fallocate(descriptor, size, free)
        except OSError:
            pass  # the broker was quicker; the next round takes the rest


def _count(log: Path) -> int:
    # A rotated log begins anew; the rest of it is the older file's.
    logs = (log, log.with_name(f"{log.name}.1"))
    return sum(path.read_text(errors="replace").count(MET) for path in logs if path.exists())
