//! A path as policies match it: normalised as the mesh does, without query and fragment; and path
//! templates.

mod normal;

use std::fmt;

pub(crate) use self::normal::normalize;
use crate::text::Text;

/// One value of `paths`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PathMatch {
    Text(Text),
    Template(Template),
}

/// A path with operators: `{*}` is one segment, `{**}` any text of the characters of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Template {
    value: Box<str>,
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Literal(Box<str>),
    /// One or more characters of a segment.
    One,
    /// Any number of characters of segments, slashes among them.
    Any,
}

const ONE_SEGMENT: &str = "{*}";
const ANY_SEGMENTS: &str = "{**}";

// === impl PathMatch ===

impl PathMatch {
    pub(crate) fn new(value: &str) -> Self {
        if value.contains(ONE_SEGMENT) || value.contains(ANY_SEGMENTS) {
            PathMatch::Template(Template::new(value))
        } else {
            PathMatch::Text(Text::new(value))
        }
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        match self {
            PathMatch::Text(text) => text.matches(path),
            PathMatch::Template(template) => template.matches(path),
        }
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathMatch::Text(text) => text.fmt(formatter),
            PathMatch::Template(template) => write!(formatter, "{}", template.value),
        }
    }
}

// === impl Template ===

impl Template {
    fn new(value: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = value;
        loop {
            let one = rest.find(ONE_SEGMENT);
            let any = rest.find(ANY_SEGMENTS);
            let (at, piece, operator) = match (one, any) {
                (Some(one), any) if any.is_none_or(|any| one < any) => {
                    (one, Piece::One, ONE_SEGMENT)
                }
                (_, Some(any)) => (any, Piece::Any, ANY_SEGMENTS),
                _ => break,
            };
            if at > 0 {
                pieces.push(Piece::Literal(rest[..at].into()));
            }
            pieces.push(piece);
            rest = &rest[at + operator.len()..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.into()));
        }
        Self {
            value: value.into(),
            pieces: pieces.into(),
        }
    }

    /// What every path that matches begins with.
    pub(crate) fn start(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Literal(literal)) => literal,
            _ => "",
        }
    }

    /// What every path that matches ends with.
    pub(crate) fn end(&self) -> &str {
        match self.pieces.last() {
            Some(Piece::Literal(literal)) => literal,
            _ => "",
        }
    }

    fn matches(&self, path: &str) -> bool {
        matches_pieces(&self.pieces, path.as_bytes())
    }
}

/// Operators stand between slashes, so that `{*}` has but one way to match and only the last
/// operator, `{**}`, has several: no path takes more than its length times the pieces.
fn matches_pieces(pieces: &[Piece], path: &[u8]) -> bool {
    let Some((piece, rest)) = pieces.split_first() else {
        return path.is_empty();
    };
    match piece {
        Piece::Literal(literal) => path
            .strip_prefix(literal.as_bytes())
            .is_some_and(|behind| matches_pieces(rest, behind)),
        Piece::One => {
            let length = length_while(path, is_segment_byte);
            match rest.first() {
                // Greedy is right where a slash or the end must follow.
                None | Some(Piece::Literal(_)) if starts_with_slash(rest) => {
                    length > 0 && matches_pieces(rest, &path[length..])
                }
                _ => (1..=length).any(|taken| matches_pieces(rest, &path[taken..])),
            }
        }
        Piece::Any => {
            let length = length_while(path, |byte| byte == b'/' || is_segment_byte(byte));
            (0..=length)
                .rev()
                .any(|taken| matches_pieces(rest, &path[taken..]))
        }
    }
}

fn starts_with_slash(pieces: &[Piece]) -> bool {
    match pieces.first() {
        None => true,
        Some(Piece::Literal(literal)) => literal.starts_with('/'),
        Some(_) => false,
    }
}

fn length_while(path: &[u8], takes: impl Fn(u8) -> bool) -> usize {
    path.iter()
        .position(|byte| !takes(*byte))
        .unwrap_or(path.len())
}

/// The characters that Envoy's URI templates take in a segment, found out by asking Envoy.
fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests;
