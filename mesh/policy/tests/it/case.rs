//! A case: policies, a workload, settings and requests, all owned. It knows the JSON that the
//! command line reads, so that a case which went wrong can be kept as a file; it decides nothing.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_api::{MeshSettings, PolicySet, Workload};
use serde_json::{Map, Value, json};

/// Policies and what is asked of them.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) set: PolicySet,
    pub(crate) workload: Workload,
    pub(crate) settings: MeshSettings,
    pub(crate) requests: Vec<Request>,
}

/// A request as the command line reads it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Absent without mutual TLS.
    pub(crate) principal: Option<String>,
    pub(crate) ip: IpAddr,
    /// Absent: the peer is the first caller.
    pub(crate) remote_ip: Option<IpAddr>,
    pub(crate) destination_ip: IpAddr,
    pub(crate) port: u16,
    pub(crate) sni: String,
    /// Absent: a TCP connection.
    pub(crate) http: Option<Http>,
    /// `iss`, `sub`, `aud`, `azp`, `claims` of a valid token.
    pub(crate) jwt: Option<Map<String, Value>>,
    pub(crate) metadata: Map<String, Value>,
}

/// The HTTP half of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) host: Option<String>,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

// === impl Request ===

impl Request {
    /// The token's payload: its claims and the four that have members of their own.
    pub(crate) fn payload(&self) -> Option<Map<String, Value>> {
        let jwt = self.jwt.as_ref()?;
        let mut payload = match jwt.get("claims") {
            Some(Value::Object(claims)) => claims.clone(),
            _ => Map::new(),
        };
        for name in ["iss", "sub", "aud", "azp"] {
            if let Some(value) = jwt.get(name) {
                payload.insert(name.to_owned(), value.clone());
            }
        }
        Some(payload)
    }

    /// One line of the command line's input.
    pub(crate) fn to_json(&self) -> Value {
        let mut source = Map::new();
        if let Some(principal) = &self.principal {
            source.insert("principal".to_owned(), json!(principal));
        }
        source.insert("ip".to_owned(), json!(self.ip.to_string()));
        if let Some(ip) = self.remote_ip {
            source.insert("remoteIp".to_owned(), json!(ip.to_string()));
        }
        let mut request = json!({
            "protocol": if self.http.is_some() { "http" } else { "tcp" },
            "source": source,
            "destination": {"ip": self.destination_ip.to_string(), "port": self.port},
            "sni": self.sni,
        });
        if let Some(http) = &self.http {
            request["http"] = http.to_json();
        }
        if let Some(jwt) = &self.jwt {
            request["jwt"] = Value::Object(jwt.clone());
        }
        if !self.metadata.is_empty() {
            request["metadata"] = Value::Object(self.metadata.clone());
        }
        request
    }
}

// === impl Http ===

impl Http {
    fn to_json(&self) -> Value {
        let headers: Vec<Value> = self
            .headers
            .iter()
            .map(|(name, value)| match std::str::from_utf8(value) {
                Ok(text) => json!([name, text]),
                Err(_) => json!([name, {"base64": STANDARD.encode(value)}]),
            })
            .collect();
        let mut http = json!({"method": self.method, "path": self.path, "headers": headers});
        if let Some(host) = &self.host {
            http["host"] = json!(host);
        }
        http
    }
}
