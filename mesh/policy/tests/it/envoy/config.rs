//! Envoy's bootstrap for a batch of cases: one listener per address and port; the ALPN that a
//! client offers picks a filter chain, and a header picks the case among the routes of an HTTP
//! chain.

use std::fs;
use std::path::Path;

use mesh_api::PathNormalization;
use serde_json::{Map, Value, json};

use super::identities::{self, ServerTls};
use super::translate::{self, Custom};
use crate::case::Case;

/// Names the case of a request. No policy of the generator looks at it.
pub(super) const CASE_HEADER: &str = "x-case";

/// Carry metadata to Envoy, which takes them away before any policy: header, filter, key.
pub(super) const METADATA_HEADERS: [(&str, &str, &str); 3] = [
    ("x-metadata-c", "envoy.filters.a.b", "c"),
    ("x-metadata-d", "envoy.filters.a.b", "d"),
    ("x-metadata-x", "envoy.filters.x", "c][d"),
];

/// What a local reply tells: the details, what the RBAC filters left, and the audit mark.
const REPLY: &str = "%RESPONSE_CODE_DETAILS%\n%DYNAMIC_METADATA(envoy.filters.http.rbac)%\n\
                     %DYNAMIC_METADATA(envoy.common:access_log_hint)%\n";

/// The modes of path normalisation, with the ALPN of their filter chain.
const MODES: [(PathNormalization, &str); 4] = [
    (PathNormalization::None, "http-none"),
    (PathNormalization::Base, "http-base"),
    (PathNormalization::MergeSlashes, "http-merge"),
    (PathNormalization::DecodeAndMergeSlashes, "http-decode"),
];

/// The ALPN of the chain that normalises as `mode` says.
pub(super) fn http_alpn(mode: PathNormalization) -> &'static str {
    let found = MODES.iter().find(|(candidate, _)| *candidate == mode);
    found.expect("every mode has a chain").1
}

/// The ALPN of a case's chain for connections.
pub(super) fn tcp_alpn(case: usize, custom: Custom) -> String {
    match custom {
        Custom::Marks => format!("tcp-{case}"),
        Custom::Denies => format!("tcp-{case}-custom"),
    }
}

/// Writes the bootstrap and the routes into `folder`. `endpoints[i]` is where case i takes its
/// connections; requests come in at all of them.
pub(super) fn write(folder: &Path, cases: &[Case], endpoints: &[(String, u16)], tls: &ServerTls) {
    for (mode, name) in MODES {
        let of_mode = |case: &&(usize, &Case)| case.1.settings.path_normalization == mode;
        let numbered: Vec<(usize, &Case)> = cases.iter().enumerate().collect();
        let routes: Vec<Value> = numbered.iter().filter(of_mode).map(route).collect();
        let routes = json!({"version_info": "1", "resources": [{
            "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            "name": name,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        }]});
        fs::write(folder.join(format!("{name}.json")), routes.to_string()).expect("a free disk");
    }
    let mut listeners = Vec::new();
    for (index, (address, port)) in endpoints.iter().enumerate() {
        let mut chains: Vec<Value> = MODES
            .iter()
            .map(|(mode, name)| http_chain(folder, *mode, name, tls))
            .collect();
        let here = cases
            .iter()
            .enumerate()
            .filter(|(case, _)| case % endpoints.len() == index);
        for (number, case) in here {
            chains.push(tcp_chain(number, case, Custom::Marks, tls));
            chains.push(tcp_chain(number, case, Custom::Denies, tls));
        }
        let inspector = "type.googleapis.com/\
                         envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
        listeners.push(json!({
            "name": format!("{address}:{port}"),
            "address": {"socket_address": {"address": address, "port_value": port}},
            "listener_filters": [{
                "name": "envoy.filters.listener.tls_inspector",
                "typed_config": {"@type": inspector},
            }],
            "filter_chains": chains,
        }));
    }
    let bootstrap = json!({
        "node": {"id": "policy-test", "cluster": "policy-test"},
        "static_resources": {"listeners": listeners},
    });
    fs::write(folder.join("bootstrap.json"), bootstrap.to_string()).expect("a free disk");
}

fn route((number, case): &(usize, &Case)) -> Value {
    let filters = translate::filters(case, false, Custom::Marks);
    let mut overrides = Map::new();
    let all = [
        ("custom", filters.custom),
        ("audit", filters.audit),
        ("deny", filters.deny),
        ("allow", filters.allow),
    ];
    for (name, filter) in all {
        if let Some(mut rbac) = filter {
            rbac["rules_stat_prefix"] = json!(format!("{name}_"));
            overrides.insert(name.to_owned(), json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
                "rbac": rbac,
            }));
        }
    }
    let number = number.to_string();
    json!({
        "match": {
            "prefix": "/",
            "headers": [{"name": CASE_HEADER, "string_match": {"exact": number}}],
        },
        "direct_response": {"status": 200},
        "typed_per_filter_config": overrides,
    })
}

fn tls_socket(tls: &ServerTls) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/\
                      envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": false,
            "common_tls_context": {
                "tls_certificates": [{
                    "certificate_chain": {"inline_string": tls.certificate},
                    "private_key": {"inline_string": tls.key},
                }],
                "validation_context": {"trusted_ca": {"inline_string": tls.roots}},
            },
        },
    })
}

fn http_chain(folder: &Path, mode: PathNormalization, name: &str, tls: &ServerTls) -> Value {
    let merges = matches!(
        mode,
        PathNormalization::MergeSlashes | PathNormalization::DecodeAndMergeSlashes
    );
    let decodes = mode == PathNormalization::DecodeAndMergeSlashes;
    let slashes = if decodes {
        "UNESCAPE_AND_FORWARD"
    } else {
        "KEEP_UNCHANGED"
    };
    json!({
        "filter_chain_match": {"application_protocols": [name]},
        "transport_socket": tls_socket(tls),
        "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.\
                          http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "codec_type": "HTTP1",
                "normalize_path": mode != PathNormalization::None,
                "merge_slashes": merges,
                "path_with_escaped_slashes_action": slashes,
                "use_remote_address": false,
                "rds": {
                    "route_config_name": name,
                    "config_source": {"path_config_source": {
                        "path": folder.join(format!("{name}.json")),
                    }},
                },
                "local_reply_config": {"body_format": {
                    "text_format_source": {"inline_string": REPLY},
                }},
                "http_filters": http_filters(),
            },
        }],
    })
}

/// Istio's order: CUSTOM before the token is read, then AUDIT, DENY and ALLOW.
fn http_filters() -> Value {
    let rbac = |name: &str| {
        json!({
            "name": name,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            },
        })
    };
    let metadata: Vec<Value> = METADATA_HEADERS
        .iter()
        .map(|(header, filter, key)| {
            json!({
                "header": header,
                "remove": true,
                "on_header_present": {
                    "metadata_namespace": filter, "key": key,
                    "type": "PROTOBUF_VALUE", "encode": "BASE64",
                },
            })
        })
        .collect();
    json!([
        {
            "name": "envoy.filters.http.header_to_metadata",
            "typed_config": {
                "@type": "type.googleapis.com/\
                          envoy.extensions.filters.http.header_to_metadata.v3.Config",
                "request_rules": metadata,
            },
        },
        rbac("custom"),
        {
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": "type.googleapis.com/\
                          envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"any": {
                    "local_jwks": {"inline_string": identities::key_set()},
                    "payload_in_metadata": "payload",
                    "normalize_payload_in_metadata": {
                        "space_delimited_claims": ["scope", "permission"],
                    },
                }},
                "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {
                    "requirements": [{"provider_name": "any"}, {"allow_missing": {}}],
                }}}],
            },
        },
        rbac("audit"),
        rbac("deny"),
        rbac("allow"),
        {
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
        },
    ])
}

/// RBAC filters, then an echo: who may pass sees the own byte again.
fn tcp_chain(number: usize, case: &Case, custom: Custom, tls: &ServerTls) -> Value {
    let filters = translate::filters(case, true, custom);
    let mut chain: Vec<Value> = [filters.custom, filters.audit, filters.deny, filters.allow]
        .into_iter()
        .flatten()
        .map(|mut rbac| {
            rbac["@type"] =
                json!("type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC");
            rbac["stat_prefix"] = json!("tcp.");
            json!({"name": "envoy.filters.network.rbac", "typed_config": rbac})
        })
        .collect();
    chain.push(json!({
        "name": "envoy.filters.network.echo",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo",
        },
    }));
    json!({
        "filter_chain_match": {"application_protocols": [tcp_alpn(number, custom)]},
        "transport_socket": tls_socket(tls),
        "filters": chain,
    })
}
