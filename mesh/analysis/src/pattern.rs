//! One value of a rule as the set of texts that it matches, and how two such sets lie to each other.
//! Every answer "yes" is certain; "no" also means "not known".

use std::net::IpAddr;

/// The texts that a value matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Anything but nothing.
    Any,
    Exact(String),
    Prefix(String),
    Suffix(String),
    /// A path template.
    Template(Vec<Segment>),
    /// The addresses of a range.
    Range(IpAddr, u8),
    /// A value whose meaning is not compared, except with itself.
    Opaque(String),
}

/// A segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    /// `{*}`: one segment.
    One,
    /// `{**}`: any number of them.
    Rest,
}

// === impl Pattern ===

impl Pattern {
    /// `*`, `*suffix`, `prefix*` or the text itself.
    pub(crate) fn text(value: &str) -> Self {
        if value == "*" {
            Pattern::Any
        } else if let Some(suffix) = value.strip_prefix('*') {
            Pattern::Suffix(suffix.to_owned())
        } else if let Some(prefix) = value.strip_suffix('*') {
            Pattern::Prefix(prefix.to_owned())
        } else {
            Pattern::Exact(value.to_owned())
        }
    }

    /// A text with wildcards, or a template.
    pub(crate) fn path(value: &str) -> Self {
        if !value.contains("{*}") && !value.contains("{**}") {
            return Self::text(value);
        }
        let segments = value.split('/').skip(1);
        Pattern::Template(
            segments
                .map(|segment| match segment {
                    "{*}" => Segment::One,
                    "{**}" => Segment::Rest,
                    literal => Segment::Literal(literal.to_owned()),
                })
                .collect(),
        )
    }

    /// An address or a range.
    pub(crate) fn range(value: &str) -> Self {
        let (address, length) = match value.split_once('/') {
            Some((address, length)) => (address, length.parse().ok()),
            None => (value, Some(u8::MAX)),
        };
        match (address.parse::<IpAddr>(), length) {
            (Ok(address), Some(length)) => {
                let bits = if address.is_ipv4() { 32 } else { 128 };
                Pattern::Range(address, length.min(bits))
            }
            _ => Pattern::Opaque(value.to_owned()),
        }
    }

    /// Whether all that `other` matches is matched by this one.
    pub(crate) fn covers(&self, other: &Pattern) -> bool {
        match (self, other) {
            (Pattern::Any, Pattern::Exact(text)) => !text.is_empty(),
            // A prefix or a suffix is at least itself, so nothing is not among its texts.
            (Pattern::Any, _) => true,
            (Pattern::Exact(own), Pattern::Exact(other)) => own == other,
            (Pattern::Prefix(own), Pattern::Exact(other) | Pattern::Prefix(other)) => {
                other.starts_with(own)
            }
            (Pattern::Suffix(own), Pattern::Exact(other) | Pattern::Suffix(other)) => {
                other.ends_with(own)
            }
            (Pattern::Prefix(own), Pattern::Template(segments)) => {
                literal_start(segments).starts_with(own)
            }
            (Pattern::Template(segments), Pattern::Exact(path)) => {
                let path: Vec<&str> = path.split('/').skip(1).collect();
                path_matches(segments, &path, 1)
            }
            (Pattern::Range(own, own_bits), Pattern::Range(other, bits)) => {
                own_bits <= bits && shares(*own, *other, *own_bits)
            }
            (own, other) => own == other,
        }
    }

    /// Whether no text is matched by both.
    pub(crate) fn excludes(&self, other: &Pattern) -> bool {
        match (self, other) {
            (Pattern::Exact(own), Pattern::Exact(other)) => own != other,
            (Pattern::Exact(text), Pattern::Prefix(prefix))
            | (Pattern::Prefix(prefix), Pattern::Exact(text)) => !text.starts_with(prefix),
            (Pattern::Exact(text), Pattern::Suffix(suffix))
            | (Pattern::Suffix(suffix), Pattern::Exact(text)) => !text.ends_with(suffix),
            (Pattern::Prefix(own), Pattern::Prefix(other)) => {
                !own.starts_with(other.as_str()) && !other.starts_with(own.as_str())
            }
            (Pattern::Suffix(own), Pattern::Suffix(other)) => {
                !own.ends_with(other.as_str()) && !other.ends_with(own.as_str())
            }
            (Pattern::Template(segments), Pattern::Exact(path))
            | (Pattern::Exact(path), Pattern::Template(segments)) => {
                let path: Vec<&str> = path.split('/').skip(1).collect();
                !path_matches(segments, &path, 0)
            }
            (Pattern::Template(segments), Pattern::Prefix(prefix))
            | (Pattern::Prefix(prefix), Pattern::Template(segments)) => {
                let start = literal_start(segments);
                !start.starts_with(prefix.as_str()) && !prefix.starts_with(&start)
            }
            (Pattern::Range(own, own_bits), Pattern::Range(other, bits)) => {
                !shares(*own, *other, *own_bits.min(bits))
            }
            _ => false,
        }
    }
}

// === helpers ===

/// What every path of a template begins with.
fn literal_start(segments: &[Segment]) -> String {
    let mut start = String::new();
    for segment in segments {
        start.push('/');
        match segment {
            Segment::Literal(text) => start.push_str(text),
            Segment::One => return start,
            // `{**}` may be nothing; whether its slash then stays is not relied on.
            Segment::Rest => {
                start.pop();
                return start;
            }
        }
    }
    start
}

/// Whether a path is one of a template. How few segments `{**}` may be is said by `rest_min`, so that
/// both "certainly" and "possibly" can be asked.
fn path_matches(template: &[Segment], path: &[&str], rest_min: usize) -> bool {
    match (template.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((Segment::Rest, template)), _) => (rest_min..=path.len())
            .any(|skipped| path_matches(template, &path[skipped..], rest_min)),
        (Some((Segment::One, template)), Some((first, path))) => {
            !first.is_empty() && path_matches(template, path, rest_min)
        }
        (Some((Segment::Literal(text), template)), Some((first, path))) => {
            text == first && path_matches(template, path, rest_min)
        }
        _ => false,
    }
}

/// Whether two addresses have the same first bits.
fn shares(left: IpAddr, right: IpAddr, bits: u8) -> bool {
    match (left, right) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            let shift = 32_u32.saturating_sub(u32::from(bits));
            let cut = |address: u32| address.checked_shr(shift).unwrap_or_default();
            cut(left.to_bits()) == cut(right.to_bits())
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => {
            let shift = 128_u32.saturating_sub(u32::from(bits));
            let cut = |address: u128| address.checked_shr(shift).unwrap_or_default();
            cut(left.to_bits()) == cut(right.to_bits())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
