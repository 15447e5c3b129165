//! Path normalisation as Envoy 1.40 does it for each of Istio's modes; every rule here was found by
//! sending paths to it. What Envoy refuses outright is normalised as far as it goes.

use std::borrow::Cow;

use mesh_api::PathNormalization;

/// The path without query and fragment, as the mode has it. Borrowed unless it must change.
pub(crate) fn normalize(path: &str, mode: PathNormalization) -> Cow<'_, str> {
    let end = path.find(['?', '#']).unwrap_or(path.len());
    let path = &path[..end];
    let (decode, merge) = match mode {
        PathNormalization::None => return Cow::Borrowed(path),
        PathNormalization::Base => (false, false),
        PathNormalization::MergeSlashes => (false, true),
        PathNormalization::DecodeAndMergeSlashes => (true, true),
    };
    if is_normal(path, merge) {
        return Cow::Borrowed(path);
    }
    let decoded = if decode {
        decode_slashes(path)
    } else {
        Cow::Borrowed(path)
    };
    let mut normal = canonical(&strip_dot_parameters(&decoded));
    if merge {
        merge_slashes(&mut normal);
    }
    // All that is written is ASCII: other characters are percent-encoded.
    Cow::Owned(normal.into_iter().map(char::from).collect())
}

/// Whether nothing in the path can change: the quick answer for nearly every request.
fn is_normal(path: &str, merge: bool) -> bool {
    let bytes = path.as_bytes();
    let mut last = 0;
    for &byte in bytes {
        let after_slash = last == b'/' && (byte == b'.' || (merge && byte == b'/'));
        if after_slash || !stays(byte) {
            return false;
        }
        last = byte;
    }
    bytes.first() == Some(&b'/')
}

/// Characters that stand for themselves wherever they stand, dots aside.
fn stays(byte: u8) -> bool {
    byte.is_ascii_graphic() && !is_escaped(byte) && byte != b'%' && byte != b'\\'
}

/// `%2F` and `%5C`, which some servers take for slashes.
fn decode_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let lower = path.replace("%2F", "/").replace("%2f", "/");
    Cow::Owned(lower.replace("%5C", "\\").replace("%5c", "\\"))
}

/// `/..;a=b/` is `/../`, because some servers read it so.
fn strip_dot_parameters(path: &str) -> Cow<'_, str> {
    if !path.contains("/.;") && !path.contains("/..;") {
        return Cow::Borrowed(path);
    }
    let segments = path
        .split('/')
        .map(|segment| match segment.split_once(';') {
            Some((dots @ ("." | ".."), _)) => dots,
            _ => segment,
        });
    Cow::Owned(segments.collect::<Vec<_>>().join("/"))
}

/// Dot segments away, `\` to `/`, unreserved characters decoded, unsafe ones encoded.
fn canonical(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len() + 1);
    out.push(b'/');
    let mut at = usize::from(bytes.first().is_some_and(|first| is_slash(*first)));
    while at < bytes.len() {
        // Here `out` ends with a slash: a segment begins.
        if let Some((dots, length)) = dot_segment(&bytes[at..]) {
            if dots == 2 {
                leave_segment(&mut out);
            }
            at += length;
        } else {
            at += copy_segment(&bytes[at..], &mut out);
        }
    }
    out
}

/// How many dots the segment at the start has if it has nothing else, and its length with its
/// slash.
fn dot_segment(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    let mut dots = 0;
    while dots < 3 {
        match &bytes[at..] {
            [] => break,
            [slash, ..] if is_slash(*slash) => {
                at += 1;
                break;
            }
            [b'.', ..] => at += 1,
            [b'%', b'2', b'e' | b'E', ..] => at += 3,
            _ => return None,
        }
        dots += 1;
    }
    matches!(dots, 1 | 2).then_some((dots, at))
}

fn leave_segment(out: &mut Vec<u8>) {
    let end = out.len() - 1;
    let slash = out[..end].iter().rposition(|byte| *byte == b'/');
    out.truncate(slash.map_or(1, |slash| slash + 1));
}

/// Writes the segment at the start with its slash, and tells how long it was.
fn copy_segment(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    let mut bare_percent = None;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if is_slash(byte) {
            out.push(b'/');
            break;
        }
        match unreserved(&bytes[at - 1..]) {
            Some(decoded) => {
                out.push(decoded);
                at += 2;
                if let Some(percent) = bare_percent {
                    keep_apart(out, percent, bytes.get(at));
                }
            }
            None if byte == b'%' && escape(&bytes[at - 1..]).is_none() => {
                bare_percent = Some(out.len());
                out.push(byte);
            }
            None if is_escaped(byte) => push_escaped(byte, out),
            None => out.push(byte),
        }
    }
    at
}

/// A `%` that stood for itself is encoded where what was decoded behind it would make it the begin
/// of an escape: `%%300` must not become `%00`.
fn keep_apart(out: &mut Vec<u8>, percent: usize, next: Option<&u8>) {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let behind = (out.get(percent + 1), out.get(percent + 2).or(next));
    if out.len() - percent <= 3 && is_digit(behind.0) && is_digit(behind.1) {
        out.splice(percent..=percent, *b"%25");
    }
}

/// The character that `%XX` at the start stands for, if it needs no encoding anywhere.
fn unreserved(bytes: &[u8]) -> Option<u8> {
    escape(bytes).filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte))
}

/// What `%XX` at the start stands for.
fn escape(bytes: &[u8]) -> Option<u8> {
    let &[b'%', high, low, ..] = bytes else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn push_escaped(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let (high, low) = (
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    );
    out.extend([b'%', high, low]);
}

fn is_slash(byte: u8) -> bool {
    byte == b'/' || byte == b'\\'
}

fn is_escaped(byte: u8) -> bool {
    !byte.is_ascii_graphic() || b"\"#<>?^`{|}".contains(&byte)
}

/// One slash for several. Of nothing but slashes two are left: Envoy puts back one for the begin
/// and one for the end.
fn merge_slashes(path: &mut Vec<u8>) {
    if path.len() > 1 && path.iter().all(|byte| *byte == b'/') {
        path.truncate(2);
        return;
    }
    path.dedup_by(|next, last| *next == b'/' && *last == b'/');
}

#[cfg(test)]
mod tests;
