"""Every program of an instance: its command, its environment, and how one sees that it is ready.

The list is the topology of the local system; `supervisor.py` only renders and starts it.
"""

from __future__ import annotations

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tradewind import gateway, kafka, paths, postgres
from tradewind.instance import (
    CA_PORT,
    ENVOY_ADMIN_PORT,
    KAFKA_PORT,
    POSTGRES_PORT,
    PROBE_PORT,
    PSP_PORT,
    REST_PORT,
    SERVICES,
    SMTP_PORT,
    Instance,
)

TRUST_DOMAIN = "cluster.local"
# The example beside the shop takes part, too, as whoever may call it.
ACCOUNTS = (
    *(f"shop/{account}" for account in ("gateway", *SERVICES, "debug")), "demo/echo", "demo/debug",
)
PROBE_TIMEOUT_SECONDS = 2
# A service drains for 30 s at most (MESH_DRAIN_GRACE_SECONDS); what is still there then is cut.
DRAIN_STOP_SECONDS = 40

# Returns what is still missing, or None when the program is ready.
Probe = Callable[[Instance], str | None]


@dataclass(frozen=True)
class Options:
    """What differs between `make up` and a test run."""

    otlp_endpoint: str | None = field(
        default_factory=lambda: os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    )
    svid_ttl_seconds: int | None = None
    log: str = field(default_factory=lambda: os.environ.get("LOG", "info"))
    policies: str = field(
        default_factory=lambda: str(
            Path(os.environ.get("TRADEWIND_POLICIES") or paths.POLICIES).resolve()
        )
    )

    @classmethod
    def of(cls, instance: Instance) -> Options:
        """What the instance was started with, so that one program can be started like the rest."""
        path = _options_file(instance)
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def keep(self, instance: Instance) -> None:
        _options_file(instance).write_text(json.dumps(asdict(self)))


@dataclass(frozen=True)
class Program:
    """One process under the supervisor."""

    name: str
    stage: int  # programs of a stage start together; the next stage waits for them
    command: list[str]
    ready: Probe
    ready_within_seconds: int
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 15
    stop_as_group: bool = True
    # A program older than one of its files (a binary built anew, a changed setting) is restarted.
    files: tuple[Path, ...] = ()


def all_programs(instance: Instance, options: Options) -> list[Program]:
    """The programs in the order in which they start."""
    return [
        _postgres(instance), _kafka(instance), _smtp(instance), _psp_sim(instance, options),
        _meshd(instance, options),
        *(_service(instance, options, name) for name in SERVICES),
        _agent(instance, options), _envoy(instance),
    ]


def _options_file(instance: Instance) -> Path:
    return instance.run / "options.json"


def _postgres(instance: Instance) -> Program:
    return Program(
        name="postgres", stage=1, command=postgres.command(instance),
        ready=_when(POSTGRES_PORT, "postgres", postgres.ready), ready_within_seconds=60,
        user=paths.SERVER_USER if paths.as_root() else None,
        # SIGINT is the fast shutdown; it must reach the postmaster alone.
        stop_signal="INT", stop_seconds=30, stop_as_group=False,
        files=(instance.postgres_data / "tradewind.conf",),
    )


def _kafka(instance: Instance) -> Program:
    return Program(
        name="kafka", stage=1, command=kafka.command(instance),
        ready=_when(KAFKA_PORT, "kafka", kafka.ready), ready_within_seconds=120, stop_seconds=30,
        files=(kafka.properties_file(instance),),
    )


def _smtp(instance: Instance) -> Program:
    return Program(
        name="smtp", stage=1,
        command=[
            str(paths.VENV / "bin/python"), "-B", str(paths.SCRIPTS / "smtp_sink.py"),
            "--host", instance.address("smtp"), "--port", str(SMTP_PORT),
            "--folder", str(instance.mail),
        ],
        ready=_when(SMTP_PORT, "smtp"), ready_within_seconds=30,
        files=(paths.SCRIPTS / "smtp_sink.py",),
    )


def _psp_sim(instance: Instance, options: Options) -> Program:
    return Program(
        name="psp-sim", stage=1, command=[str(paths.binary("psp-sim"))],
        environment={
            "SIM_BIND_ADDRESS": f"{instance.address('psp-sim')}:{PSP_PORT}",
            "SIM_SECRET_FILE": str(instance.secret_file("psp")),
            "SIM_STATE_FILE": str(instance.data / "psp-sim.json"),
            "LOG": options.log,
        },
        ready=_when(PSP_PORT, "psp-sim"), ready_within_seconds=60,
        files=(paths.binary("psp-sim"),),
    )


def _meshd(instance: Instance, options: Options) -> Program:
    return Program(
        name="meshd", stage=1, command=[str(paths.binary("meshd"))],
        environment={
            "MESHD_BIND_ADDRESS": instance.address("meshd"),
            "MESHD_STATE_DIR": str(instance.data / "meshd"),
            "MESHD_ROOT_FILE": str(instance.run / "mesh/root-cert.pem"),
            "MESHD_TOKEN_DIR": str(instance.run / "tokens"),
            "MESHD_ACCOUNTS": ",".join(ACCOUNTS),
            "MESH_TRUST_DOMAIN": TRUST_DOMAIN,
            "LOG": options.log,
        },
        ready=_http("meshd", PROBE_PORT, "/readyz"), ready_within_seconds=60,
        files=(paths.binary("meshd"),),
    )


def _service(instance: Instance, options: Options, name: str) -> Program:
    environment = {
        **_mesh(instance, options, name),
        "MESH_POLICY_PATHS": options.policies,
        "DATABASE_URL":
            f"postgres://{name}@{instance.address('postgres')}:{POSTGRES_PORT}/{name}",
        "DATABASE_PASSWORD_FILE": str(instance.secret_file(f"postgres.{name}")),
        "KAFKA_BROKERS": f"{instance.address('kafka')}:{KAFKA_PORT}",
        "KAFKA_USERNAME": name,
        "KAFKA_PASSWORD_FILE": str(instance.secret_file(f"kafka.{name}")),
        "JWT_JWKS_FILE": str(instance.run / "jwks.json"),
    }
    if name == "notification":
        environment["SMTP_ADDRESS"] = f"{instance.address('smtp')}:{SMTP_PORT}"
    if name == "payment":
        environment["PSP_URL"] = f"http://{instance.address('psp-sim')}:{PSP_PORT}"
        environment["PSP_SECRET_FILE"] = str(instance.secret_file("psp"))
    return Program(
        name=name, stage=2, command=[str(paths.binary(name))], environment=environment,
        ready=_http(name, PROBE_PORT, "/readyz"), ready_within_seconds=120,
        stop_seconds=DRAIN_STOP_SECONDS,
        files=(paths.binary(name), *sorted(Path(options.policies).rglob("*.yaml"))),
    )


def _agent(instance: Instance, options: Options) -> Program:
    return Program(
        name="gateway-agent", stage=2, command=[str(paths.binary("mesh-sidecar")), "agent"],
        environment={
            **_mesh(instance, options, "gateway"), "MESH_SDS_SOCKET": str(instance.sds_socket),
        },
        ready=_http("gateway", PROBE_PORT, "/readyz"), ready_within_seconds=60,
        files=(paths.binary("mesh-sidecar"),),
    )


def _envoy(instance: Instance) -> Program:
    return Program(
        name="envoy", stage=3,
        command=[
            str(paths.ENVOY_BIN), "--config-path", str(gateway.config_file(instance)),
            # Hot restart uses a shared memory region per machine; instances must not meet there.
            "--disable-hot-restart", "--log-level", "info",
            # Two cores carry thirteen processes here; more workers would only add connections.
            "--concurrency", "2", "--drain-time-s", "5",
        ],
        ready=_all_of(
            _http("gateway", ENVOY_ADMIN_PORT, "/ready"), _when(REST_PORT, "gateway")
        ),
        ready_within_seconds=60,
        files=(gateway.config_file(instance), paths.DESCRIPTORS),
    )


def _mesh(instance: Instance, options: Options, account: str) -> dict[str, str]:
    environment = {
        "MESH_MODE": "in-process",
        "MESH_BIND_ADDRESS": instance.address(account),
        "MESH_TRUST_DOMAIN": TRUST_DOMAIN,
        "MESH_NAMESPACE": "shop",
        "MESH_SERVICE_ACCOUNT": account,
        "MESH_CA_ADDRESS": f"{instance.address('meshd')}:{CA_PORT}",
        "MESH_CA_ROOT_FILE": str(instance.run / "mesh/root-cert.pem"),
        "MESH_TOKEN_FILE": str(instance.run / f"tokens/shop.{account}"),
        "MESH_ENDPOINTS_FILE": str(instance.run / "endpoints.yaml"),
        "LOG": options.log,
    }
    if options.svid_ttl_seconds is not None:
        environment["MESH_SVID_TTL_SECONDS"] = str(options.svid_ttl_seconds)
    if options.otlp_endpoint is not None:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = options.otlp_endpoint
    return environment


def _when(port: int, workload: str, check: Callable[[Instance], bool] | None = None) -> Probe:
    """Ready when the port answers and then, if given, the check holds."""

    def probe(instance: Instance) -> str | None:
        address = (instance.address(workload), port)
        try:
            socket.create_connection(address, timeout=PROBE_TIMEOUT_SECONDS).close()
        except OSError as error:
            return f"{address[0]}:{port}: {error.strerror or error}"
        if check is not None and not check(instance):
            return "does not answer requests yet"
        return None

    return probe


def _http(workload: str, port: int, path: str) -> Probe:
    """Ready when the page answers 200; otherwise its body says what is missing."""

    def probe(instance: Instance) -> str | None:
        url = f"http://{instance.address(workload)}:{port}{path}"
        try:
            # No proxy: the environment of a developer may name one for everything.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            opener.open(url, timeout=PROBE_TIMEOUT_SECONDS).close()
        except urllib.error.HTTPError as error:
            return error.read(2000).decode(errors="replace").strip() or f"status {error.code}"
        except OSError as error:
            return str(getattr(error, "reason", error))
        return None

    return probe


def _all_of(*probes: Probe) -> Probe:
    def probe(instance: Instance) -> str | None:
        for each in probes:
            missing = each(instance)
            if missing is not None:
                return missing
        return None

    return probe
