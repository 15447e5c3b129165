//! What Envoy does to a path before it is matched, by the mesh's setting; and path templates.

use mesh_api::PathNormalization;

use super::text;

/// Characters that a template's operators cross, and `/` for `{**}` alone.
const LITERAL: &str = r"a-zA-Z0-9\-._~%!$&'()*+,;:@=";

/// The path and its query after normalisation; a fragment is gone.
pub(crate) fn normalize(mode: PathNormalization, path: &str) -> String {
    let whole = path.split('#').next().unwrap_or_default();
    let (path, query) = match whole.find('?') {
        Some(at) => whole.split_at(at),
        None => (whole, ""),
    };
    let path = match mode {
        PathNormalization::None => path.to_owned(),
        PathNormalization::Base => canonical(path),
        PathNormalization::MergeSlashes => merge_slashes(&canonical(path)),
        PathNormalization::DecodeAndMergeSlashes => {
            let mut path = path.to_owned();
            for (escaped, plain) in [("%2F", "/"), ("%2f", "/"), ("%5C", "\\"), ("%5c", "\\")] {
                path = path.replace(escaped, plain);
            }
            merge_slashes(&canonical(&path))
        }
    };
    path + query
}

/// The path without its query.
pub(crate) fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// Whether a value of `paths` matches.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let path = without_query(path);
    if pattern.contains("{*}") || pattern.contains("{**}") {
        let expression = regex::escape(pattern)
            .replace(r"\{\*\*\}", &format!("[{LITERAL}/]*"))
            .replace(r"\{\*\}", &format!("[{LITERAL}]+"));
        return text::full_match(&expression, path.as_bytes());
    }
    text::matches(pattern, path)
}

/// One slash for several; of nothing but slashes Envoy leaves two.
fn merge_slashes(path: &str) -> String {
    if path.len() > 1 && path.chars().all(|character| character == '/') {
        return "//".to_owned();
    }
    let mut merged = path.to_owned();
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    merged
}

/// Pass by pass: parameters of dot segments go, what needs no escape loses it, what needs one gets
/// it, then dot segments are taken away.
fn canonical(path: &str) -> String {
    if path.is_empty() {
        return "/".to_owned();
    }
    let segments: Vec<&str> = path.split('/').map(without_parameters).collect();
    let plain = unescape(segments.join("/").as_bytes());
    let mut escaped = String::new();
    for &byte in &plain {
        match byte {
            b'\\' => escaped.push('/'),
            b' '
            | b'"'
            | b'#'
            | b'<'
            | b'>'
            | b'?'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | 0..=0x1f
            | 0x7f..=0xff => escaped.push_str(&format!("%{byte:02X}")),
            other => escaped.push(char::from(other)),
        }
    }
    if !escaped.starts_with('/') {
        escaped.insert(0, '/');
    }
    without_dot_segments(&escaped)
}

/// Envoy 1.40 takes `..;x` for `..`, where the dots are written out and `/` stands before them.
fn without_parameters(segment: &str) -> &str {
    match segment.split_once(';') {
        Some((dots @ ("." | ".."), _)) => dots,
        _ => segment,
    }
}

/// Takes the escape off unreserved characters: letters, digits, `-`, `.`, `_` and `~`.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = Vec::new();
    let mut bad_percent: Option<usize> = None;
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped.map(|(high, low)| high * 16 + low) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                plain.push(byte);
                rest = &tail[2..];
                keep_percent_apart(&mut plain, bad_percent, rest.first());
            }
            Some(_) => {
                plain.extend_from_slice(&rest[..3]);
                rest = &tail[2..];
            }
            None => {
                if *first == b'%' {
                    bad_percent = Some(plain.len());
                }
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

/// `%%300` must not become `%00`: a `%` that stood for itself is escaped when what was unescaped
/// behind it would make it an escape.
fn keep_percent_apart(plain: &mut Vec<u8>, bad_percent: Option<usize>, next: Option<&u8>) {
    let Some(at) = bad_percent else { return };
    let behind = [
        plain[at + 1..].to_vec(),
        next.copied().into_iter().collect(),
    ]
    .concat();
    let near = plain.len() - at <= 3;
    if let ([high, low, ..], true) = (behind.as_slice(), near)
        && hex(*high).is_some()
        && hex(*low).is_some()
    {
        plain.splice(at..=at, *b"%25");
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

fn without_dot_segments(path: &str) -> String {
    let segments: Vec<&str> = path[1..].split('/').collect();
    let mut kept: Vec<&str> = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let last = index + 1 == segments.len();
        match *segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}
