"""The process supervisor of an instance: its configuration, its start, and its XML-RPC interface.

supervisord keeps every program up for ever; it knows nothing of readiness (see `lifecycle.py`).
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
import xmlrpc.client
from pathlib import Path
from typing import Any

from tradewind import paths
from tradewind.console import Failure
from tradewind.instance import Instance, owner
from tradewind.programs import Program

# After `startretries` failures supervisord gives a program up for ever; nobody watches at night.
START_RETRIES = 1_000_000
LOG_BYTES = 20 * 1024 * 1024
LOG_BACKUPS = 2
OPEN_FILES = 8192
START_TIMEOUT_SECONDS = 20
RPC_TIMEOUT_SECONDS = 60
# What programs may inherit from the caller's environment; the rest would make starts differ.
INHERITED = ("HOME", "JAVA_HOME", "LANG", "PATH", "TMPDIR", "TZ")

# Longer than the slowest program may take to end (a service drains for half a minute).
LEAVE_TIMEOUT_SECONDS = 90

RUNNING_STATES = ("RUNNING", "STARTING", "BACKOFF")


class Supervisor:
    """Talks to the supervisord of one instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        transport = _UnixTransport(instance.supervisor_socket)
        self._rpc: Any = xmlrpc.client.ServerProxy("http://localhost", transport=transport)

    def alive(self) -> bool:
        """Whether it answers. Another checkout's supervisor is refused, not used."""
        deadline = time.monotonic() + LEAVE_TIMEOUT_SECONDS
        while True:
            try:
                self._rpc.supervisor.getState()
                break
            except (OSError, http.client.HTTPException):
                return False
            except xmlrpc.client.Fault:
                # It was told to go and answers nothing else until its programs have ended.
                if time.monotonic() > deadline:
                    raise Failure(f"supervisord does not end; see {self._instance.logs}") from None
                time.sleep(0.1)
        # Sockets belong to the user: the same number may be the instance of another checkout.
        number = self._instance.number
        if owner(number) != str(paths.ROOT):
            raise Failure(elsewhere(number, owner(number)))
        return True

    def launch(self, lock: int) -> subprocess.Popen[bytes]:
        """Starts supervisord, which inherits the instance's lock and holds it while it lives."""
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        with (self._instance.logs / "supervisord.out").open("ab") as output:
            process = subprocess.Popen(
                [str(paths.VENV / "bin/supervisord"), "-c", str(_file(self._instance))],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=[lock],
                cwd=paths.ROOT, env=environment,
                # Ctrl-C in the terminal belongs to the command, which stops things in order.
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.alive():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"supervisord does not start; see {self._instance.logs}")
            time.sleep(0.1)
        return process

    def states(self) -> dict[str, dict[str, Any]]:
        """Name → supervisord's information about the program."""
        return {info["name"]: info for info in self._rpc.supervisor.getAllProcessInfo()}

    def start(self, name: str) -> None:
        if self.states()[name]["statename"] not in RUNNING_STATES:
            self._tolerate(self._rpc.supervisor.startProcess, name, False)

    def stop(self, name: str, wait: bool = True) -> None:
        if self.states()[name]["statename"] in RUNNING_STATES:
            self._tolerate(self._rpc.supervisor.stopProcess, name, wait)

    def reload(self) -> None:
        """Takes over a changed configuration; programs whose lines changed are replaced."""
        [[added, changed, removed]] = self._rpc.supervisor.reloadConfig()
        for name in (*changed, *removed):
            self.stop(name)
            self._rpc.supervisor.removeProcessGroup(name)
        for name in (*added, *changed):
            self._rpc.supervisor.addProcessGroup(name)

    def pid(self) -> int:
        return self._rpc.supervisor.getPID()

    def shutdown(self) -> None:
        self._tolerate(self._rpc.supervisor.shutdown)

    @staticmethod
    def _tolerate(call: Any, *arguments: Any) -> None:
        """A program that is already where we want it, or cannot start yet, is no error here."""
        try:
            call(*arguments)
        except xmlrpc.client.Fault:
            pass


def elsewhere(number: int, checkout: str) -> str:
    """What a second checkout is told."""
    return (
        f"instance {number} runs from another checkout: {checkout}\n"
        "Stop it there (make down), or work there."
    )


def write_configuration(instance: Instance, programs: list[Program]) -> bool:
    """Writes supervisord.conf and says whether it changed."""
    path = _file(instance)
    text = _render(instance, programs)
    if path.exists() and path.read_text() == text:
        return False
    path.write_text(text)
    return True


def _file(instance: Instance) -> Path:
    return instance.run / "supervisord.conf"


def _render(instance: Instance, programs: list[Program]) -> str:
    return f"""\
; Written by scripts/tradewind/supervisor.py at every start.
[supervisord]
nodaemon = true
silent = true
minfds = {OPEN_FILES}
directory = {paths.ROOT}
logfile = {instance.logs / "supervisord.log"}
logfile_maxbytes = {LOG_BYTES}
logfile_backups = {LOG_BACKUPS}
pidfile = {instance.run / "supervisord.pid"}
childlogdir = {instance.logs}
{"user = root" if paths.as_root() else ""}

[unix_http_server]
file = {instance.supervisor_socket}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

{"".join(_section(instance, program) for program in programs)}"""


def _section(instance: Instance, program: Program) -> str:
    command = " ".join(_quoted(word) for word in program.command)
    environment = ",".join(
        f"{name}={_quoted(value)}" for name, value in sorted(program.environment.items())
    )
    as_group = str(program.stop_as_group).lower()
    return f"""\
[program:{program.name}]
command = {command}
environment = {environment}
{f"user = {program.user}" if program.user else ""}
autostart = false
autorestart = true
startsecs = 1
startretries = {START_RETRIES}
stopsignal = {program.stop_signal}
stopwaitsecs = {program.stop_seconds}
stopasgroup = {as_group}
killasgroup = true
redirect_stderr = true
stdout_logfile = {instance.logs / program.name}.log
stdout_logfile_maxbytes = {LOG_BYTES}
stdout_logfile_backups = {LOG_BACKUPS}

"""


def _quoted(word: str) -> str:
    # supervisord expands %(name)s everywhere and splits commands like a shell.
    return '"' + word.replace("%", "%%").replace('"', '\\"') + '"'


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=RPC_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket, a new connection per call."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, _host: Any) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)
