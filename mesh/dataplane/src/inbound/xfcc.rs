//! `x-forwarded-client-cert`: the peer that the proxy beside us has authenticated. Believed in
//! sidecar mode and on loopback only; the header of everybody else is thrown away.

use http::{HeaderMap, HeaderName};
use mesh_identity::SpiffeId;

/// Envoy's header for the certificate of its client.
pub(crate) const XFCC: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// Headers that look like an identity and never are one.
const SPOOFABLE: [HeaderName; 2] = [XFCC, HeaderName::from_static("x-spiffe-id")];

/// Removes everything from `headers` that could be mistaken for the peer's identity.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in SPOOFABLE {
        headers.remove(name);
    }
}

/// The peer that the nearest proxy names: exactly one `URI` in the last element.
pub(crate) fn peer(headers: &HeaderMap) -> Option<SpiffeId> {
    let header = headers.get_all(XFCC).iter().next_back()?.to_str().ok()?;
    let element = split(header, ',')?.pop()?;
    let mut uris = split(element, ';')?
        .into_iter()
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| key.eq_ignore_ascii_case("uri"))
        .map(|(_, value)| value);
    let uri = uris.next()?;
    if uris.next().is_some() {
        return None;
    }
    // A quoted value may hold escapes; a SPIFFE id needs neither quotes nor escapes.
    let uri = uri
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(uri);
    uri.parse().ok()
}

/// `text` cut at each `separator` outside quotes; nothing when a quote is not closed.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if letter == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    if quoted {
        return None;
    }
    parts.push(&text[start..]);
    Some(parts)
}

#[cfg(test)]
mod tests;
