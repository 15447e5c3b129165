//! What an operator on the same host may see: certificates (never keys), connections, settings.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::{
    Settings,
    own_identity::OwnIdentity,
    registry::{Connection, Registry},
};

/// The sources of the admin pages.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) settings: Arc<Settings>,
    pub(crate) identity: Option<Arc<OwnIdentity>>,
    pub(crate) registry: Arc<Registry>,
}

// === impl Admin ===

impl Admin {
    /// The page at `path`, if there is one.
    pub(crate) fn page(&self, path: &str) -> Option<Value> {
        match path {
            "/certs" => Some(self.certs()),
            "/connections" => Some(self.connections()),
            "/config" => Some(self.config()),
            _ => None,
        }
    }

    fn certs(&self) -> Value {
        let current = self
            .identity
            .as_ref()
            .and_then(|own| own.source().current());
        let Some(identity) = current else {
            return json!({ "certificates": [] });
        };
        let svid = &identity.svid;
        json!({ "certificates": [{
            "id": svid.id.to_string(),
            "serial": svid.serial,
            "not_before": unix(svid.not_before),
            "not_after": unix(svid.not_after),
            "received_at": unix(identity.received_at),
            "chain_length": svid.chain.len(),
        }] })
    }

    fn connections(&self) -> Value {
        let connections = self.registry.list();
        json!({ "connections": connections.iter().map(|one| describe(one)).collect::<Vec<_>>() })
    }

    fn config(&self) -> Value {
        let Settings {
            mode,
            bind_address,
            ports,
            id,
            ca_address,
            ca_root_file,
            token_file,
            endpoints_file,
            policy_paths,
            svid_ttl,
            connection_age,
            drain_grace,
            deadline_max,
            requests_max,
            log_filter,
            otlp_endpoint,
        } = &*self.settings;
        json!({
            "mode": mode.to_string(),
            "id": id.to_string(),
            "bind_address": bind_address.to_string(),
            "ports": {
                "grpc": ports.grpc,
                "admin": ports.admin,
                "metrics": ports.metrics,
                "probes": ports.probes,
            },
            "ca_address": ca_address.to_string(),
            "ca_root_file": ca_root_file,
            "token_file": token_file,
            "endpoints_file": endpoints_file,
            "policy_paths": policy_paths,
            "svid_ttl_seconds": svid_ttl.as_secs(),
            "connection_age_seconds": connection_age.as_secs(),
            "drain_grace_seconds": drain_grace.as_secs(),
            "deadline_max_seconds": deadline_max.as_secs(),
            "requests_max": requests_max,
            "log_filter": log_filter,
            "otlp_endpoint": otlp_endpoint,
        })
    }
}

fn describe(connection: &Connection) -> Value {
    json!({
        "id": connection.id,
        "direction": connection.direction.as_str(),
        "remote": connection.remote.to_string(),
        "peer": connection.peer.as_ref().map(|peer| peer.id.to_string()),
        "peer_serial": connection.peer.as_ref().map(|peer| &*peer.serial),
        "own_serial": connection.own_serial,
        "epoch": connection.epoch,
        "phase": connection.phase(),
        "streams": connection.streams(),
        "calls": connection.calls(),
        "opened_at": unix(connection.opened_at),
        "ends_at": unix(connection.opened_at + connection.age),
    })
}

/// Seconds since 1970: what every tool can compare.
fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}
