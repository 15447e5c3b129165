//! One request by flags, as the line of JSON that a recorded one is: whatever can be asked can be
//! recorded and replayed.

use std::io::BufRead;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::decide::open;
use crate::error::Error;

/// Where a request comes from and goes to unless flags say so: policies that compare addresses are
/// asked about with addresses.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The port of gRPC in this mesh, for workloads of which no port is known.
pub(super) const RPC_PORT: u16 = 50_051;

/// A request.
#[derive(Debug, Args)]
pub(super) struct Ask {
    /// Who calls: ACCOUNT of the workload's namespace, NAMESPACE/ACCOUNT, or a whole principal
    /// [default: nobody, a call without mutual TLS].
    #[arg(long, value_name = "IDENTITY")]
    from: Option<String>,

    /// The RPC that is called: package.Service/Method.
    #[arg(long, conflicts_with_all = ["method", "path", "tcp"])]
    rpc: Option<String>,

    /// The HTTP method [default: GET].
    #[arg(long)]
    method: Option<String>,

    /// The HTTP path, with its query [default: /].
    #[arg(long)]
    path: Option<String>,

    /// The :authority.
    #[arg(long)]
    host: Option<String>,

    /// A header; more by saying it again.
    #[arg(long, value_name = "NAME:VALUE", value_parser = parse_header)]
    header: Vec<(String, String)>,

    /// The issuer of a valid token.
    #[arg(long)]
    issuer: Option<String>,

    /// The subject of a valid token.
    #[arg(long)]
    subject: Option<String>,

    /// An audience of a valid token; more by saying it again.
    #[arg(long)]
    audience: Vec<String>,

    /// A claim of a valid token: its value as JSON, or as text where it is none.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_claim)]
    claim: Vec<(String, Value)>,

    /// A connection that is not HTTP.
    #[arg(long, conflicts_with_all = [
        "method", "path", "host", "header", "issuer", "subject", "audience", "claim",
    ])]
    tcp: bool,

    /// The port of the workload [default: that of its WorkloadEntry, or 50051].
    #[arg(long)]
    port: Option<u16>,

    /// The address of the peer.
    #[arg(long, value_name = "IP", default_value_t = SOMEWHERE)]
    source_ip: IpAddr,

    /// The address of the first caller, as trusted proxies tell it [default: the peer's].
    #[arg(long, value_name = "IP")]
    remote_ip: Option<IpAddr>,

    /// The address of the workload.
    #[arg(long, value_name = "IP", default_value_t = SOMEWHERE)]
    destination_ip: IpAddr,

    /// The server name of the TLS handshake.
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,

    /// A recorded request instead of all of these, from lines of JSON; - is standard input.
    #[arg(long, value_name = "FILE|-", conflicts_with_all = [
        "from", "rpc", "method", "path", "host", "header", "issuer", "subject", "audience", "claim",
        "tcp", "port", "source_ip", "remote_ip", "destination_ip", "sni",
    ])]
    requests: Option<PathBuf>,

    /// Which line of the recorded requests.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value = "1",
        requires = "requests"
    )]
    line: NonZeroUsize,
}

/// What identities that are not written out belong to.
pub(super) struct Home<'h> {
    pub(super) trust_domain: &'h str,
    pub(super) namespace: &'h str,
    pub(super) port: Option<u16>,
}

// === impl Ask ===

impl Ask {
    /// The request as a line of JSON.
    pub(super) fn line(&self, home: &Home<'_>) -> Result<String, Error> {
        match &self.requests {
            Some(file) => self.recorded(file),
            None => Ok(self.built(home).to_string()),
        }
    }

    fn recorded(&self, file: &Path) -> Result<String, Error> {
        match open(file)?.lines().nth(self.line.get() - 1) {
            Some(Ok(line)) => Ok(line),
            Some(Err(source)) => Err(Error::Read {
                path: file.to_owned(),
                source,
            }),
            None => Err(Error::Usage(format!(
                "\"{}\" has no line {}",
                file.display(),
                self.line
            ))),
        }
    }

    fn built(&self, home: &Home<'_>) -> Value {
        let port = self.port.or(home.port).unwrap_or(RPC_PORT);
        let mut source = json!({"ip": self.source_ip});
        if let Some(from) = &self.from {
            source["principal"] = home.principal(from).into();
        }
        if let Some(ip) = self.remote_ip {
            source["remoteIp"] = json!(ip);
        }
        let mut request = json!({
            "protocol": if self.tcp { "tcp" } else { "http" },
            "source": source,
            "destination": {"ip": self.destination_ip, "port": port},
        });
        if let Some(sni) = &self.sni {
            request["sni"] = sni.as_str().into();
        }
        if !self.tcp {
            request["http"] = self.http();
        }
        if let Some(token) = self.token() {
            request["jwt"] = token;
        }
        request
    }

    fn http(&self) -> Value {
        let (method, path) = match &self.rpc {
            Some(rpc) => ("POST", format!("/{}", rpc.trim_start_matches('/'))),
            None => (
                self.method.as_deref().unwrap_or("GET"),
                self.path.clone().unwrap_or_else(|| "/".to_owned()),
            ),
        };
        let mut http = json!({"method": method, "path": path, "headers": self.header});
        if let Some(host) = &self.host {
            http["host"] = host.as_str().into();
        }
        http
    }

    /// A token, if anything is said of one.
    fn token(&self) -> Option<Value> {
        let mut token = Map::new();
        let texts = [("iss", &self.issuer), ("sub", &self.subject)];
        for (name, text) in texts {
            if let Some(text) = text {
                token.insert(name.to_owned(), text.as_str().into());
            }
        }
        if !self.audience.is_empty() {
            token.insert("aud".to_owned(), json!(self.audience));
        }
        if !self.claim.is_empty() {
            let claims: Map<String, Value> = self.claim.iter().cloned().collect();
            token.insert("claims".to_owned(), claims.into());
        }
        (!token.is_empty()).then(|| token.into())
    }
}

// === impl Home ===

impl Home<'_> {
    /// The principal that an identity in short means.
    pub(super) fn principal(&self, identity: &str) -> String {
        let identity = identity.strip_prefix("spiffe://").unwrap_or(identity);
        let (domain, namespace) = (self.trust_domain, self.namespace);
        match identity.matches('/').count() {
            0 => format!("{domain}/ns/{namespace}/sa/{identity}"),
            1 => {
                let (namespace, account) = identity.split_once('/').unwrap_or_default();
                format!("{domain}/ns/{namespace}/sa/{account}")
            }
            _ => identity.to_owned(),
        }
    }

    /// A principal as short as it can be asked about.
    pub(super) fn short(&self, principal: &str) -> String {
        let rest = principal.strip_prefix(self.trust_domain);
        let own = rest.and_then(|rest| rest.strip_prefix("/ns/"));
        match own.and_then(|own| own.split_once("/sa/")) {
            Some((namespace, account)) if namespace == self.namespace => account.to_owned(),
            Some((namespace, account)) => format!("{namespace}/{account}"),
            None => principal.to_owned(),
        }
    }
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("needs a colon, like x-a: 1")?;
    if name.is_empty() {
        return Err("needs a name before the colon".to_owned());
    }
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}

fn parse_claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("needs an equals sign, like role=customer")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests;
