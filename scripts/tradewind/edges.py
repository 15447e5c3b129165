"""The dependencies that must not exist, checked over cargo's own view of the workspace.

An edge that is missing cannot be seen in the code, so it is asserted here: the mesh never names the
shop, one crate alone talks to Kafka, no second TLS provider, no second version of what crosses
APIs.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from dataclasses import dataclass

from tradewind import paths
from tradewind.console import Failure, show

# Types of these cross our own interfaces, or they hold state that must be one per process.
ONE_VERSION = (
    "h2", "http", "hyper", "opentelemetry", "opentelemetry_sdk", "prost", "rustls", "tokio",
    "tonic",
)

# Name → why it must not be in any build.
BANNED = {
    "native-tls": "rustls is the only TLS of the mesh",
    "reqwest": "hyper-util is the HTTP client; reqwest brings a second TLS stack",
    "ring": "two providers of cryptography in one binary panic; aws-lc-rs is the one",
}


@dataclass(frozen=True)
class Only:
    """A crate that only some workspace crates may name."""

    crate: str
    by: tuple[str, ...]  # a trailing * matches any ending
    dev_by: tuple[str, ...]  # these only for their tests
    reason: str


ONLY = (
    Only("rdkafka", ("shop-chassis",), ("shop-e2e",), "topics and offsets stay in the bus"),
    Only("rustls", ("mesh-*", "echo"), ("shop-e2e",), "services never see TLS"),
    Only("tokio-rustls", ("mesh-*", "echo"), ("shop-e2e",), "services never see TLS"),
    Only("rcgen", ("mesh-*",), ("shop-e2e",), "certificates are the mesh's"),
    Only("envoy-types", ("mesh-xds",), (), "its google.protobuf types stay in one place"),
    Only("granit-parser", ("mesh-api",), (), "policies are read in one place"),
    Only("mesh-policy", ("mesh-*",), (), "the data plane decides who may call, no service"),
    Only("mesh-api", ("mesh-*",), (), "policies are the mesh's; a service never reads one"),
    Only("shop-proto", ("shop-*",), (), "the mesh must be usable without the shop"),
)


def check() -> None:
    """Fails with every edge that must not exist."""
    problems = [*_direct(), *_resolved()]
    if problems:
        raise Failure("edges that must not exist:\n" + "\n".join(f"  - {p}" for p in problems))
    show("edges: none that must not exist")


def _cargo(*arguments: str) -> str:
    output = subprocess.run(
        ["cargo", *arguments, "--locked"], cwd=paths.ROOT,
        capture_output=True, text=True, check=False,
    )
    if output.returncode != 0:
        raise Failure(output.stderr)
    return output.stdout


def _direct() -> list[str]:
    """What the manifests of the workspace name."""
    metadata = json.loads(_cargo("metadata", "--format-version", "1", "--no-deps"))
    problems = []
    for package in metadata["packages"]:
        name = package["name"]
        for dependency in package["dependencies"]:
            other = dependency["name"]
            if name.startswith("mesh-") and other.startswith("shop-"):
                problems.append(f"{name} -> {other}: nothing under mesh/ knows the shop")
            for rule in ONLY:
                if rule.crate == other and not _allowed(rule, name, dependency["kind"]):
                    problems.append(f"{name} -> {other}: {rule.reason}")
    return problems


def _resolved() -> list[str]:
    """What is really built, through all levels."""
    # Not from `cargo metadata`, which also lists what no feature switches on.
    tree = _cargo("tree", "--workspace", "--edges", "all", "--prefix", "none", "--format", "{p}")
    versions: dict[str, set[str]] = defaultdict(set)
    for line in tree.splitlines():
        words = line.split()
        # A line names a package (`name v1.2.3 ...`) or a feature of one (`name feature "x"`).
        if len(words) >= 2 and words[1].startswith("v"):
            versions[words[0]].add(words[1])
    problems = [f"{name}: {why}" for name, why in BANNED.items() if name in versions]
    problems += [
        f"{name} in versions {', '.join(sorted(versions[name]))}: one is wanted"
        for name in ONE_VERSION if len(versions[name]) > 1
    ]
    return problems


def _allowed(rule: Only, name: str, kind: str | None) -> bool:
    allowed = rule.by if kind != "dev" else (*rule.by, *rule.dev_by)
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in allowed
    )
