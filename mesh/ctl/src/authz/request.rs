//! A request as one line of JSON, borrowed from the line as far as that goes.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A line.
#[derive(Deserialize)]
pub(super) struct Line<'l> {
    protocol: Protocol,
    #[serde(borrow)]
    source: Source<'l>,
    destination: Destination,
    #[serde(borrow, default)]
    sni: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    http: Option<Http<'l>>,
    #[serde(default)]
    jwt: Option<Jwt>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Http,
    Tcp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Source<'l> {
    #[serde(borrow, default)]
    principal: Option<Cow<'l, str>>,
    ip: IpAddr,
    #[serde(default)]
    remote_ip: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Destination {
    ip: IpAddr,
    port: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http<'l> {
    #[serde(borrow)]
    method: Cow<'l, str>,
    #[serde(borrow, default)]
    host: Option<Cow<'l, str>>,
    #[serde(borrow)]
    path: Cow<'l, str>,
    #[serde(borrow, default)]
    headers: Vec<(Name<'l>, HeaderValue<'l>)>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'l>(#[serde(borrow)] Cow<'l, str>);

enum HeaderValue<'l> {
    Text(Cow<'l, str>),
    Bytes(Vec<u8>),
}

/// A payload in the end, so kept as one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwt {
    #[serde(default)]
    iss: Option<Value>,
    #[serde(default)]
    sub: Option<Value>,
    #[serde(default)]
    aud: Option<Value>,
    #[serde(default)]
    azp: Option<Value>,
    #[serde(default)]
    claims: Option<Map<String, Value>>,
}

/// A line that was read, with its token in one piece.
pub(super) struct Recorded<'l> {
    line: Line<'l>,
    payload: Option<Map<String, Value>>,
}

// === impl Recorded ===

impl<'l> Recorded<'l> {
    pub(super) fn read(text: &'l [u8]) -> Result<Self, String> {
        let mut line: Line<'l> = serde_json::from_slice(text).map_err(|error| located(&error))?;
        match line.protocol {
            Protocol::Http if line.http.is_none() => {
                return Err("protocol http needs the member http".to_owned());
            }
            Protocol::Tcp if line.http.is_some() || line.jwt.is_some() => {
                return Err("protocol tcp has neither http nor jwt".to_owned());
            }
            Protocol::Http | Protocol::Tcp => {}
        }
        let payload = line.jwt.take().map(Jwt::payload);
        Ok(Self { line, payload })
    }

    pub(super) fn request(&self) -> mesh_policy::Request<'_> {
        let line = &self.line;
        mesh_policy::Request {
            source: mesh_policy::Source {
                principal: line.source.principal.as_deref(),
                ip: line.source.ip,
                remote_ip: line.source.remote_ip,
            },
            destination: mesh_policy::Destination {
                ip: line.destination.ip,
                port: line.destination.port,
            },
            sni: line.sni.as_deref().unwrap_or_default(),
            http: line.http.as_ref().map(|http| mesh_policy::Http {
                method: &http.method,
                host: http.host.as_deref(),
                path: &http.path,
                headers: &http.headers,
            }),
            jwt: self.payload.as_ref().map(|payload| mesh_policy::Jwt {
                claims: Some(payload),
                ..mesh_policy::Jwt::default()
            }),
            metadata: line.metadata.as_ref(),
        }
    }
}

/// The message without the line, which is always the first of its text.
fn located(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text);
    format!("{message} at column {}", error.column())
}

// === impl Jwt ===

impl Jwt {
    fn payload(self) -> Map<String, Value> {
        let mut payload = self.claims.unwrap_or_default();
        let own = [
            ("iss", self.iss),
            ("sub", self.sub),
            ("aud", self.aud),
            ("azp", self.azp),
        ];
        for (name, value) in own {
            if let Some(value) = value {
                payload.insert(name.to_owned(), value);
            }
        }
        payload
    }
}

// === impl HeaderValue ===

impl AsRef<str> for Name<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for HeaderValue<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            HeaderValue::Text(text) => text.as_bytes(),
            HeaderValue::Bytes(bytes) => bytes,
        }
    }
}

impl<'de: 'l, 'l> Deserialize<'de> for HeaderValue<'l> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeaderValueVisitor)
    }
}

struct HeaderValueVisitor;

impl<'de> Visitor<'de> for HeaderValueVisitor {
    type Value = HeaderValue<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a header value: text, or {{\"base64\": text}}")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(HeaderValue::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(HeaderValue::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let Some((key, encoded)) = map.next_entry::<Cow<'de, str>, Cow<'de, str>>()? else {
            return Err(de::Error::missing_field("base64"));
        };
        if key != "base64" || map.next_key::<Cow<'de, str>>()?.is_some() {
            return Err(de::Error::unknown_field(&key, &["base64"]));
        }
        let bytes = STANDARD
            .decode(encoded.as_bytes())
            .or_else(|_| STANDARD_NO_PAD.decode(encoded.as_bytes()))
            .map_err(|_| de::Error::custom("a header value is no base64"))?;
        Ok(HeaderValue::Bytes(bytes))
    }
}

#[cfg(test)]
mod tests;
