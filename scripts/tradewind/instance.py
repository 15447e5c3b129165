"""One instance of Tradewind on this machine: its addresses, its folders, its lock.

Instance 0 is `make up`, 1 to 99 are for tests and development. Linux answers on all of 127/8, so
every instance has a /24 of its own and every program the ports that it has in a cluster.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tradewind import paths
from tradewind.console import Failure

LOCKS = Path("/tmp/tradewind-instances")
LAST_INSTANCE = 99

HOSTS = {
    "meshd": 2, "kafka": 3, "postgres": 4, "smtp": 6, "psp-sim": 7, "gateway": 10,
    "product": 11, "order": 12, "payment": 13, "notification": 14,
}
SERVICES = ("product", "order", "payment", "notification")

GRPC_PORT = 50051
PROBE_PORT = 15021
CA_PORT = 15012
KAFKA_PORT = 9092
KAFKA_CONTROLLER_PORT = 9093
POSTGRES_PORT = 5432
SMTP_PORT = 2525
PSP_PORT = 8090
REST_PORT = 8080
ENVOY_ADMIN_PORT = 9901


@dataclass(frozen=True)
class Instance:
    """The number decides everything else; nothing here touches the disk until it is asked to."""

    number: int

    def address(self, workload: str) -> str:
        """The workload's own loopback address."""
        return f"127.77.{self.number}.{HOSTS[workload]}"

    @property
    def run(self) -> Path:
        """Files of the running instance: configuration, secrets, logs, mail."""
        return paths.LOCAL / "run" / str(self.number)

    @property
    def data(self) -> Path:
        """What survives `make down`."""
        return paths.LOCAL / "data" / str(self.number)

    @property
    def postgres_data(self) -> Path:
        """PostgreSQL's data, where its user can reach it."""
        if paths.as_root():
            return paths.SERVER_HOME / "data" / str(self.number)
        return self.data / "postgres"

    @property
    def sockets(self) -> Path:
        """Unix sockets; their paths end at 107 bytes, so never in the checkout."""
        return Path(f"/tmp/tradewind-{os.geteuid()}") / str(self.number)

    @property
    def supervisor_socket(self) -> Path:
        return self.sockets / "supervisor.sock"

    @property
    def sds_socket(self) -> Path:
        return self.sockets / "sds.sock"

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def mail(self) -> Path:
        return self.run / "mail"

    def secret_file(self, name: str) -> Path:
        return self.run / "secrets" / name

    @property
    def rest_url(self) -> str:
        """Where REST clients go; instance 0 also answers where a newcomer expects it."""
        host = "127.0.0.1" if self.number == 0 else self.address("gateway")
        return f"http://{host}:{REST_PORT}"

    def make_folders(self) -> None:
        """Creates all folders, the private ones with private modes."""
        for folder in (self.run, self.data, self.logs, self.mail):
            folder.mkdir(parents=True, exist_ok=True)
        private = (self.run / "secrets", self.run / "tokens", self.run / "mesh")
        for folder in (self.sockets.parent, self.sockets, *private):
            folder.mkdir(exist_ok=True)
            if folder.stat().st_uid != os.geteuid():
                raise Failure(f"{folder} belongs to another user; remove it and try again")
            folder.chmod(0o700)

    def remove(self) -> None:
        """Deletes everything of this instance. It must be stopped and its lock ours."""
        self.remove_files()
        shutil.rmtree(self.sockets, ignore_errors=True)

    def remove_files(self) -> None:
        """Deletes what lies in folders of this checkout; the sockets' folder is the machine's."""
        for folder in (self.run, self.data, self.postgres_data):
            shutil.rmtree(folder, ignore_errors=True)


class Taken(Exception):
    """Another process holds the instance."""

    def __init__(self, number: int, owner: str) -> None:
        super().__init__(f"instance {number} is held by {owner or 'an unknown checkout'}")
        self.owner = owner


def take(number: int) -> int:
    """Locks an instance and returns the descriptor; whoever inherits it keeps the lock.

    The supervisor inherits it, so an instance is taken for as long as its supervisor lives.
    """
    descriptor = _open_lock(number)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 4096, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise Taken(number, owner) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{paths.ROOT}\n".encode(), 0)
    return descriptor


def owner(number: int) -> str:
    """The checkout that took the instance last."""
    try:
        return (LOCKS / f"{number}.lock").read_text().strip()
    except FileNotFoundError:
        return ""


def take_free() -> tuple[Instance, int]:
    """Takes the first free instance for a test run."""
    for number in range(1, LAST_INSTANCE + 1):
        try:
            return Instance(number), take(number)
        except Taken:
            continue
    raise Failure(f"all instances 1 to {LAST_INSTANCE} are in use (see {LOCKS})")


def _open_lock(number: int) -> int:
    LOCKS.mkdir(mode=0o1777, exist_ok=True)
    try:
        LOCKS.chmod(0o1777)
    except PermissionError:
        pass  # another user made it, with the same mode
    path = LOCKS / f"{number}.lock"
    try:
        # Without O_CREAT: the kernel refuses to "create" another user's file in a sticky folder.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        os.fchmod(descriptor, 0o666)
        return descriptor
    except FileExistsError:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
