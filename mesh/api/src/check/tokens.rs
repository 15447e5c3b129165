//! What a JWT rule says of keys and times: URLs, durations and key sets, as far as Istio checks them.

use std::net::Ipv6Addr;
use std::time::Duration;

use serde_json::Value;

use super::Check;
use crate::report::Fault;

/// What Istio demands of `timeout`.
const TIMEOUT_MIN: Duration = Duration::from_millis(1);

/// `http` or `https`, as Go's `url.Parse` reads it. A host is not demanded: Istio does not either.
pub(crate) fn url(value: &str) -> Check {
    let expected = "a URL such as https://issuer.example/keys";
    let fault = |message: &str| Err(Fault::new(message, expected));
    if value.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return fault("a control character in a URL");
    }
    let Some((scheme, rest)) = value.split_once(':') else {
        return fault("a URL without a scheme");
    };
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return fault("a URL whose scheme is neither http nor https");
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    if !has_whole_escapes(fragment) {
        return fault("a URL with a `%` that is no escape");
    }
    let rest = rest.split('?').next().unwrap_or_default();
    // What follows the colon without a slash is opaque to Go, and nothing of it is looked at.
    if !rest.starts_with('/') {
        return Ok(());
    }
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (user, host_and_port) = authority.rsplit_once('@').unwrap_or(("", authority));
    let is_user = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !user.bytes().all(is_user) || !has_whole_escapes(user) {
        return fault("a URL whose user has a character that no user has");
    }
    if let Err(message) = host(host_and_port) {
        return fault(message);
    }
    if !has_whole_escapes(path) {
        return fault("a URL with a `%` that is no escape");
    }
    Ok(())
}

/// A duration as Go writes it, such as `1m30s`, of whole milliseconds and at least one.
pub(crate) fn duration(value: &str) -> Result<Duration, Fault> {
    let expected = "a duration of whole milliseconds such as 5s, 1m30s or 250ms";
    let duration = parse_duration(value).ok_or_else(|| Fault::new("bad duration", expected))?;
    if duration < TIMEOUT_MIN {
        return Err(Fault::new("shorter than 1ms", expected));
    }
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(Fault::new("finer than milliseconds", expected));
    }
    Ok(duration)
}

/// A JSON web key, or a set of them. Answers which of the keys hold private material.
pub(crate) fn jwks(value: &str) -> Result<Vec<usize>, Fault> {
    let fault = |message: String| Fault::new(message, "a JSON web key set");
    // Whatever stands behind the first JSON value is not looked at, as in Istio.
    let mut values = serde_json::Deserializer::from_str(value).into_iter::<Value>();
    let parsed = match values.next() {
        Some(parsed) => parsed.map_err(|error| fault(format!("no JSON: {error}")))?,
        None => return Err(fault("no JSON: nothing at all".to_owned())),
    };
    let keys = match parsed.get("keys") {
        Some(Value::Array(keys)) => keys.clone(),
        Some(_) => return Err(fault("\"keys\" is no list".to_owned())),
        None => vec![parsed],
    };
    let mut private = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let is_private =
            is_private_key(key).map_err(|problem| fault(format!("key {index}: {problem}")))?;
        if is_private {
            private.push(index);
        }
    }
    Ok(private)
}

// === helpers ===

/// A host with an optional port; an IPv6 address stands in brackets.
fn host(text: &str) -> Result<(), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest
                .rsplit_once(']')
                .ok_or("a URL whose host lacks a bracket")?;
            let address = address
                .split_once("%25")
                .map_or(address, |(address, _)| address);
            if address.parse::<Ipv6Addr>().is_err() {
                return Err("a URL whose brackets hold no IPv6 address");
            }
            ("", port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let digits = port.strip_prefix(':');
    let is_port = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !port.is_empty() && !digits.is_some_and(is_port) {
        return Err("a URL whose port is no number");
    }
    let is_host = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || !byte.is_ascii()
            || b"-_.~!$&'()*+,;=:]<>\"%".contains(&byte)
    };
    // Of a host only bytes beyond ASCII may be escaped.
    let mut escapes = host.split('%').skip(1);
    let is_beyond =
        |escape: &str| escape.starts_with(|digit: char| "89abcdefABCDEF".contains(digit));
    if !host.bytes().all(is_host) || !has_whole_escapes(host) || !escapes.all(is_beyond) {
        return Err("a URL whose host has a character that no host has");
    }
    Ok(())
}

/// Go's `time.ParseDuration` without signs: a negative duration is shorter than any we take.
fn parse_duration(value: &str) -> Option<Duration> {
    let mut rest = value.strip_prefix('+').unwrap_or(value);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        nanoseconds = nanoseconds.checked_add(nanoseconds_of(number, unit)?)?;
        rest = tail;
    }
    // Go's durations end at 2^63 nanoseconds, some 292 years.
    let nanoseconds = i64::try_from(nanoseconds).ok()?;
    Some(Duration::from_nanos(u64::try_from(nanoseconds).ok()?))
}

fn nanoseconds_of(number: &str, unit: &str) -> Option<u128> {
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole_value: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    // Beyond this no digit counts for even the largest unit.
    let fraction = &fraction.get(..18).unwrap_or(fraction);
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction_value: u128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    whole_value
        .checked_mul(unit)?
        .checked_add(fraction_value * unit / scale)
}

/// Whether the key holds private material; an error when it is no key.
fn is_private_key(key: &Value) -> Result<bool, String> {
    let kind = key.get("kty").and_then(Value::as_str).unwrap_or_default();
    let (required, optional): (&[&str], &[&str]) = match kind {
        "RSA" => (&["n", "e"], &["d", "p", "q", "dp", "dq", "qi"]),
        "EC" => (&["crv", "x", "y"], &["d"]),
        "OKP" => (&["crv", "x"], &["d"]),
        "oct" => (&["k"], &[]),
        _ => return Err("\"kty\" is none of RSA, EC, OKP, oct".to_owned()),
    };
    for name in required {
        let present = key.get(name).and_then(Value::as_str);
        if present.is_none_or(str::is_empty) {
            return Err(format!("a key of {kind} without \"{name}\""));
        }
    }
    // The parts of a private key are looked at when it is one.
    let is_private = key.get("d").is_some();
    let private_parts = if is_private { optional } else { &[] };
    let parts = required.iter().chain(private_parts);
    for name in parts.filter(|name| **name != "crv") {
        let number = key.get(name).and_then(Value::as_str).unwrap_or_default();
        if !is_base64(number) {
            return Err(format!("\"{name}\" is no base64"));
        }
    }
    Ok(kind == "oct" || is_private)
}

/// Base64 of either alphabet, with padding or without, as the library that Istio uses guesses it.
fn is_base64(text: &str) -> bool {
    let text: String = text
        .chars()
        .filter(|letter| !"\r\n".contains(*letter))
        .collect();
    let letters = text.trim_end_matches('=');
    let padding = text.len() - letters.len();
    let is_standard = letters.contains(['+', '/']);
    let special: &[u8] = if is_standard { b"+/" } else { b"-_" };
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || special.contains(&byte);
    let has_length = match padding {
        0 => letters.len() % 4 != 1,
        1 | 2 => text.len().is_multiple_of(4),
        _ => false,
    };
    has_length && letters.bytes().all(is_letter)
}

fn has_whole_escapes(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| {
        let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        *byte != b'%' || (is_hex(at + 1) && is_hex(at + 2))
    })
}
