"""The processes of the mesh benchmarks: echo servers in each way, the pair of Envoys, clients."""

from __future__ import annotations

import json
import socket
import string
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tradewind import components, paths
from tradewind.console import Failure, say

TEMPLATES = paths.ROOT / "bench" / "envoy"
START_TIMEOUT_SECONDS = 20
# As many workers as the gateway's Envoy has.
ENVOY_WORKERS = 2


class Ends:
    """A folder with certificates, and the processes that were started; all end with the block."""

    def __init__(self, build_first: bool) -> None:
        if build_first:
            build()
        self._binary = paths.target_dir() / "release" / "mesh-bench"
        self._temporary = tempfile.TemporaryDirectory(prefix="tradewind-bench-")
        self.folder = Path(self._temporary.name)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._run("pki", "--folder", str(self.folder))

    def __enter__(self) -> Ends:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._temporary.cleanup()

    def server(self, command: str, way: str, telemetry: bool = False) -> tuple[str, int]:
        """Starts a server; returns its address and its process id."""
        port = _free_port()
        arguments = [str(self._binary), command, *self._end(way, _at(port), telemetry)]
        return _at(port), self._start(arguments, port, f"{command}-{way}")

    def sidecar(self, role: str, forward: str) -> tuple[str, int]:
        """Starts an Envoy as the `client` or `server` sidecar in front of an address."""
        port = _free_port()
        template = string.Template((TEMPLATES / f"{role}.yaml.tmpl").read_text())
        config = self.folder / f"envoy-{role}.yaml"
        config.write_text(template.substitute(
            LISTEN=port, FORWARD=forward.rpartition(":")[2], FOLDER=self.folder,
        ))
        arguments = [
            str(paths.ENVOY_BIN), "--config-path", str(config), "--disable-hot-restart",
            "--concurrency", str(ENVOY_WORKERS), "--log-level", "warn",
        ]
        return _at(port), self._start(arguments, port, f"envoy-{role}")

    def measure(
        self, command: str, way: str, address: str, watched: dict[str, int],
        seconds: tuple[float, float], telemetry: bool = False, **options: int,
    ) -> dict[str, Any]:
        """Runs a client for (warm, measured) seconds and returns its figures."""
        out = self.folder / "figures.json"
        warm, run = seconds
        self._run(
            command, *self._end(way, address, telemetry), "--out", str(out),
            "--warm-ms", str(int(warm * 1000)), "--run-ms", str(int(run * 1000)),
            *(f"--watch={name}={pid}" for name, pid in watched.items()),
            *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()),
        )
        return json.loads(out.read_text())

    def held(self, way: str, address: str, connections: int, pids: Iterable[int]) -> list[int]:
        """The resident bytes of processes while a client holds connections."""
        arguments = [str(self._binary), "hold", *self._end(way, address, False)]
        client = subprocess.Popen(
            [*arguments, "--connections", str(connections)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        try:
            assert client.stdout is not None
            if client.stdout.readline().strip() != b"held":
                raise Failure(f"could not open {connections} connections ({way})")
            return [resident_bytes(pid) for pid in pids]
        finally:
            client.communicate()

    def _end(self, way: str, address: str, telemetry: bool) -> list[str]:
        arguments = ["--way", way, "--address", address, "--folder", str(self.folder)]
        return [*arguments, "--telemetry"] if telemetry else arguments

    def _start(self, arguments: list[str], port: int, name: str) -> int:
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )
        self._processes.append(process)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return process.pid
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Failure(f"{name} does not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.02)

    def _run(self, *arguments: str) -> None:
        result = subprocess.run(
            [str(self._binary), *arguments], capture_output=True, text=True, check=False,
        )
        if result.returncode != 0:
            raise Failure(f"{arguments[0]} failed:\n{result.stdout[-2000:]}{result.stderr}")


def build() -> None:
    """Builds the ends as the services are built for production."""
    components.ensure(["venv", "envoy"])
    say("building bench in release (minutes the first time)")
    command = [
        "cargo", "build", "--release", "--locked",
        "--manifest-path", str(paths.ROOT / "bench" / "Cargo.toml"),
        "--target-dir", str(paths.target_dir()),
    ]
    if subprocess.run(command, cwd=paths.ROOT, check=False).returncode != 0:
        raise Failure("cargo build failed")


def resident_bytes(pid: int) -> int:
    """What a process has in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise Failure(f"process {pid} has ended")


def _at(port: int) -> str:
    return f"127.0.0.1:{port}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
