"""The configuration of Envoy, rendered from `gateway-envoy/*.tmpl` for one instance.

What a reader wants to see at once stays in the templates; here is only what repeats: a cluster and
its routes per service, and the JSON form of every error that arises in Envoy.
"""

from __future__ import annotations

import json
import textwrap
import urllib.parse
from pathlib import Path
from string import Template

from tradewind import dev_jwt, paths, secrets_store
from tradewind.console import Failure
from tradewind.instance import ENVOY_ADMIN_PORT, GRPC_PORT, REST_PORT, SERVICES, Instance

TRUST_DOMAIN = "cluster.local"
ROUTE_TIMEOUT_MS = 10_000
# The service gives up a little before Envoy does, so that its own answer arrives.
DEADLINE_MARGIN_MS = 50

NOT_JSON = "content-type must be application/json"

# An empty message keeps Envoy's text: it speaks of the caller's own input. The others are fixed,
# because Envoy's text would tell an outsider what lies behind the gateway.
# (HTTP status, gRPC code, message)
ERRORS = (
    (400, 3, ""),
    (401, 16, ""),
    (403, 7, "access denied"),
    (404, 5, "no such resource"),
    (405, 12, "method not allowed"),
    (408, 4, "the request took too long to arrive"),
    (413, 8, "the body is too large"),
    (415, 3, NOT_JSON),
    (426, 3, "upgrade is not supported"),
    (429, 8, "too many requests"),
    (431, 3, "the headers are too large"),
    (500, 13, "internal error"),
    (502, 14, "the service is unavailable"),
    (503, 14, "the service is unavailable"),
    (504, 4, "the request took too long"),
)

# Errors that pass by themselves.
RETRY_LATER = (429, 503)

JSON_TYPE = r'(?i)application/json\s*(;\s*charset="?utf-8"?\s*)?'

# The transcoder lets a query parameter override the field that the path or the body has set:
# /v1/orders/A?order_id=B would be about B. So only those that a method documents come through,
# spelled plainly. Lists take no field from elsewhere: there the transcoder's own check is enough.
PARAMETERS = {
    "GET": r"/v1/[^/?]+/?(\?.*)?|[^?]*\??",
    "POST": r"[^?]*\??",
    "PATCH": r"[^?]*(\?((update_mask|updateMask)=[^&]*)?)?",
    "DELETE": r"[^?]*(\?(etag=[^&]*)?)?",
}
BAD_PARAMETER = "a query parameter is not one of this method"


def config_file(instance: Instance) -> Path:
    """The rendered bootstrap."""
    return instance.run / "envoy.yaml"


def prepare(instance: Instance, otlp_endpoint: str | None = None) -> None:
    """Writes the bootstrap; `envoy --mode validate` accepts it or nothing starts."""
    if not paths.DESCRIPTORS.exists():
        raise Failure(f"{paths.DESCRIPTORS} is missing; run make proto")
    template = Template((paths.GATEWAY / "envoy.yaml.tmpl").read_text())
    jwks = json.dumps(json.loads((instance.run / "jwks.json").read_text()))
    also = [] if instance.number else [_socket_address("127.0.0.1", REST_PORT)]
    secrets_store.write_private(config_file(instance), template.substitute(
        GATEWAY_ADDRESS=instance.address("gateway"), ADMIN_PORT=ENVOY_ADMIN_PORT,
        REST_PORT=REST_PORT, ADDITIONAL_ADDRESSES=json.dumps(also),
        JWT_ISSUER=dev_jwt.ISSUER, JWT_AUDIENCE=dev_jwt.AUDIENCE, JWKS=jwks,
        DESCRIPTORS=paths.DESCRIPTORS, SDS_SOCKET=instance.sds_socket,
        LOCAL_REPLIES=textwrap.indent(_local_replies(), " " * 20),
        ROUTES=textwrap.indent(_routes(), " " * 24),
        REFUSED_ROUTES=textwrap.indent(_not_json_routes() + _bad_query_routes(), " " * 24),
        TRACING=textwrap.indent(_tracing(otlp_endpoint), " " * 16),
        CLUSTERS=textwrap.indent(_clusters(instance, otlp_endpoint), " " * 4),
    ))


def validate_command(instance: Instance) -> list[str]:
    """Envoy's own check of the rendered file."""
    return [str(paths.ENVOY_BIN), "--mode", "validate", "--config-path", str(config_file(instance))]


def _routes() -> str:
    deadline = ROUTE_TIMEOUT_MS - DEADLINE_MARGIN_MS
    return _items([
        {
            "match": {"prefix": f"/shop.{service}.v1.{service.capitalize()}Service/"},
            "route": {
                "cluster": service,
                "timeout": f"{ROUTE_TIMEOUT_MS / 1000}s",
                "retry_policy": {
                    # Only what the service provably did not process. A quarter of a second apart
                    # on average: together they bridge the 8 s that a restart may take.
                    "retry_on": "connect-failure,refused-stream,reset-before-request",
                    "num_retries": 32,
                    "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"},
                },
            },
            "request_headers_to_add": [{
                "header": {"key": "grpc-timeout", "value": f"{deadline}m"},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }],
        }
        for service in SERVICES
    ])


def _not_json_routes() -> str:
    disabled = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
    return _items([
        {
            "match": {
                "prefix": "/v1/",
                "headers": [
                    {"name": ":method", "string_match": {"exact": method}},
                    {
                        "name": "content-type", "invert_match": True,
                        "treat_missing_header_as_empty": True,
                        "string_match": {"safe_regex": {"regex": JSON_TYPE}},
                    },
                ],
            },
            "direct_response": {"status": 415},
            "typed_per_filter_config": {
                "envoy.filters.http.jwt_authn": disabled,
                "envoy.filters.http.grpc_json_transcoder": disabled,
            },
        }
        for method in ("POST", "PUT", "PATCH")
    ])


def _bad_query_routes() -> str:
    disabled = {"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": True}
    return _items([
        {
            "match": {
                "prefix": "/v1/",
                "headers": [
                    {"name": ":method", "string_match": {"exact": method}},
                    {
                        "name": ":path", "invert_match": True,
                        "string_match": {"safe_regex": {"regex": allowed}},
                    },
                ],
            },
            "direct_response": {"status": 400, "body": {"inline_string": BAD_PARAMETER}},
            # The token is looked at first, as everywhere.
            "typed_per_filter_config": {"envoy.filters.http.grpc_json_transcoder": disabled},
        }
        for method, allowed in PARAMETERS.items()
    ])


def _local_replies() -> str:
    # A token for somebody else is 403 to Envoy; at this edge every bad token is 401.
    bad_token = _and(_status(403), _because("jwt_authn"))
    # Envoy refuses `%2F` in a path without a word.
    bad_path = _and(_status(400), _because("path_normalization_failed"))
    # gRPC-Web is refused like any other form that is not JSON.
    not_json = _and(_status(403), _because("rbac_access_denied"))
    mappers = [
        {"filter": bad_token, "status_code": 401, **_json(16, "")},
        {"filter": not_json, "status_code": 415, **_json(3, NOT_JSON)},
        {"filter": bad_path, **_json(3, "the path is not acceptable")},
    ]
    for http, code, message in ERRORS:
        mapper = {"filter": _status(http), **_json(code, message)}
        if http in RETRY_LATER:
            # What a service says in its RetryInfo.
            header = {"key": "retry-after", "value": "1"}
            mapper["headers_to_add"] = [{"header": header}]
        mappers.append(mapper)
    return _items(mappers)


def _json(code: int, message: str) -> dict:
    return {"body_format_override": {
        "json_format": {
            "code": code, "message": message or "%LOCAL_REPLY_BODY%", "details": [],
        },
        "content_type": "application/json",
    }}


def _status(code: int) -> dict:
    return {"status_code_filter": {"comparison": {
        "op": "EQ", "value": {"default_value": code, "runtime_key": "gateway.no_such_key"},
    }}}


def _because(details: str) -> dict:
    """Matches replies by the reason that Envoy also writes into its access log."""
    name = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
    return {"extension_filter": {"name": "cel", "typed_config": {
        "@type": f"type.googleapis.com/{name}",
        "expression": f"response.code_details.startsWith('{details}')",
    }}}


def _and(*filters: dict) -> dict:
    return {"and_filter": {"filters": list(filters)}}


def _tracing(otlp_endpoint: str | None) -> str:
    """Without a collector Envoy only passes on what the caller sent."""
    if otlp_endpoint is None:
        return ""
    return _mapping("tracing", {
        "random_sampling": {"value": 100},
        "spawn_upstream_span": False,
        # The path as the client asked for it, without its query: "POST /v1/orders".
        "operation": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)% %PATH(NQ:ORIG)%",
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
                "service_name": "gateway",
            },
        },
    })


def _clusters(instance: Instance, otlp_endpoint: str | None) -> str:
    template = Template((paths.GATEWAY / "cluster.yaml.tmpl").read_text())
    clusters = [
        template.substitute(
            SERVICE=service, ADDRESS=instance.address(service), GRPC_PORT=GRPC_PORT,
            TRUST_DOMAIN=TRUST_DOMAIN,
        )
        for service in SERVICES
    ]
    if otlp_endpoint is not None:
        clusters.append(_items([_otlp_cluster(otlp_endpoint)]))
    return "".join(clusters)


def _otlp_cluster(endpoint: str) -> dict:
    url = urllib.parse.urlsplit(endpoint)
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    address = _socket_address(url.hostname or "", url.port or 4317)["address"]
    return {
        "name": "otlp", "type": "STRICT_DNS", "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "otlp",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {options: {
            "@type": f"type.googleapis.com/{options}",
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
    }


def _socket_address(host: str, port: int) -> dict:
    return {"address": {"socket_address": {"address": host, "port_value": port}}}


def _items(values: list[dict]) -> str:
    """A YAML list with one JSON object per line: JSON is YAML."""
    return "\n".join(f"- {json.dumps(value)}" for value in values) + "\n"


def _mapping(name: str, value: dict) -> str:
    return f"{name}: {json.dumps(value)}\n"
