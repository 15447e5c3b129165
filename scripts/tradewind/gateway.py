"""The configuration of Envoy, rendered from `gateway-envoy/envoy.yaml.tmpl` for one instance."""

from __future__ import annotations

from pathlib import Path

from tradewind.instance import Instance


def config_file(instance: Instance) -> Path:
    return instance.run / "envoy.yaml"


def prepare(instance: Instance, otlp_endpoint: str | None = None) -> None:
    raise NotImplementedError
