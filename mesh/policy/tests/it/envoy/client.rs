//! The client of the live test: plain blocking sockets, so that every byte of a request is ours.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::config::{CASE_HEADER, METADATA_HEADERS};
use super::identities;
use crate::case::{Http, Request};

/// Longer than any answer takes on a machine that is busy with everything else.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What Envoy made of a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub(super) details: String,
    /// What the RBAC filters left.
    pub(super) metadata: Value,
    pub(super) audited: bool,
}

/// A connection that carries HTTP/1.1.
pub(super) struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

/// Where a connection comes from and goes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    pub(super) principal: Option<String>,
    pub(super) from: IpAddr,
    pub(super) to: SocketAddr,
    pub(super) sni: String,
    pub(super) alpn: String,
}

fn connect(
    route: &Route,
    config: &Arc<ClientConfig>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(route.from, 0).into())?;
    socket.connect(&route.to.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    // An address as the server's name sends no SNI.
    let name = if route.sni.is_empty() {
        ServerName::IpAddress(route.to.ip().into())
    } else {
        ServerName::try_from(route.sni.clone()).map_err(io::Error::other)?
    };
    let tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(tls, socket.into()))
}

/// Whether a connection may pass: its byte comes back.
pub(super) fn passes(route: &Route, config: &Arc<ClientConfig>) -> io::Result<bool> {
    let mut stream = connect(route, config)?;
    stream.write_all(b"?")?;
    stream.flush()?;
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(read) => Ok(read == 1 && byte == *b"?"),
        // Envoy closes a refused connection without TLS's farewell.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

// === impl Connection ===

impl Connection {
    pub(super) fn open(route: &Route, config: &Arc<ClientConfig>) -> io::Result<Self> {
        Ok(Connection {
            stream: BufReader::new(connect(route, config)?),
        })
    }

    pub(super) fn ask(&mut self, case: usize, request: &Request) -> io::Result<Answer> {
        let http = request.http.as_ref().expect("the caller asks of requests");
        let bytes = encode(case, request, http);
        self.stream.get_mut().write_all(&bytes)?;
        self.stream.get_mut().flush()?;

        let status_line = self.line()?;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status: {status_line}")))?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let mut lines = body.lines();
        let mut next = || lines.next().unwrap_or_default().to_owned();
        Ok(Answer {
            status,
            details: next(),
            metadata: serde_json::from_str(&next()).unwrap_or_default(),
            audited: next() == "true",
        })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

fn encode(case: usize, request: &Request, http: &Http) -> Vec<u8> {
    let host = http.host.as_deref().expect("a live request has a host");
    let mut bytes =
        format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", http.method, http.path).into_bytes();
    let mut add = |name: &str, value: &[u8]| {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    };
    add(CASE_HEADER, case.to_string().as_bytes());
    for (name, value) in &http.headers {
        add(name, value);
    }
    if let Some(ip) = request.remote_ip {
        add("x-forwarded-for", ip.to_string().as_bytes());
    }
    if let Some(payload) = request.payload() {
        add(
            "authorization",
            format!("Bearer {}", identities::token(&payload)).as_bytes(),
        );
    }
    for (header, filter, key) in METADATA_HEADERS {
        if let Some(value) = request
            .metadata
            .get(filter)
            .and_then(|filter| filter.get(key))
        {
            add(
                header,
                STANDARD.encode(to_proto(value).encode_to_vec()).as_bytes(),
            );
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// JSON as `google.protobuf.Value`.
fn to_proto(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(values) => Kind::ListValue(prost_types::ListValue {
            values: values.iter().map(to_proto).collect(),
        }),
        Value::Object(members) => Kind::StructValue(prost_types::Struct {
            fields: members
                .iter()
                .map(|(name, value)| (name.clone(), to_proto(value)))
                .collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
