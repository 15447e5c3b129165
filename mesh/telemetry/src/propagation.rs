//! W3C trace context in and out of HTTP headers, and as two strings for rows and Kafka headers.
//! It knows nothing of what is traced.
//!
//! The formats are W3C's (Trace Context, 3.2 and 3.3). They are read and written here and not by a
//! propagator of OpenTelemetry's, because each call does both: one fixed text, no maps, no copies.

use std::str::FromStr;

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::ids;

/// The W3C header that names trace and parent span.
pub const TRACEPARENT: &str = "traceparent";
/// The W3C header with vendors' additions.
pub const TRACESTATE: &str = "tracestate";

/// The length of a `traceparent` of version 00: `00-<32 digits>-<16 digits>-<2 digits>`.
const PARENT_LENGTH: usize = 55;
/// The version that must never be: W3C keeps it for no meaning at all.
const VERSION_INVALID: u8 = 0xff;

/// The W3C context of a span as text, to be stored beside what it caused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// Trace id, span id and flags.
    pub traceparent: String,
    /// Vendors' additions; often empty.
    pub tracestate: String,
}

/// Makes the caller's span, as named in `headers`, the parent of `span`. Must come before the span
/// is entered or logged in; headers without a valid context leave it a root.
pub fn set_parent(span: &Span, headers: &HeaderMap) {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(parent) = text(TRACEPARENT) {
        adopt(span, parent, text(TRACESTATE).unwrap_or_default());
    }
}

/// Writes the context of `span` into `headers`; replaces what they carried.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    let Some(context) = of(span) else {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
        return;
    };
    // Hexadecimal digits and dashes are good in any header.
    if let Ok(parent) = HeaderValue::from_bytes(&format(&context)) {
        headers.insert(TRACEPARENT, parent);
    }
    match HeaderValue::try_from(context.trace_state().header()) {
        Ok(state) if !state.is_empty() => headers.insert(TRACESTATE, state),
        _ => headers.remove(TRACESTATE),
    };
}

// === impl TraceContext ===

impl TraceContext {
    /// The context of `span`; none when nothing records it.
    pub fn of(span: &Span) -> Option<Self> {
        let context = of(span)?;
        Some(Self {
            traceparent: String::from_utf8_lossy(&format(&context)).into_owned(),
            tracestate: context.trace_state().header(),
        })
    }

    /// Makes the stored span the parent of `span`. Must come before the span is entered.
    pub fn make_parent_of(&self, span: &Span) {
        adopt(span, &self.traceparent, &self.tracestate);
    }
}

// === helpers ===

fn of(span: &Span) -> Option<SpanContext> {
    let traced = span.context().span().span_context().clone();
    if traced.is_valid() {
        return Some(traced);
    }
    ids::of_span(span)
}

fn adopt(span: &Span, parent: &str, state: &str) {
    let Some(parent) = parse(parent.as_bytes(), state) else {
        return;
    };
    let context = opentelemetry::Context::new().with_remote_span_context(parent.clone());
    // Fails where no tracer keeps the ids, and then we do.
    if span.set_parent(context).is_err() {
        ids::adopt(span, &parent);
    }
}

/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`; later versions may say more behind it.
fn parse(parent: &[u8], state: &str) -> Option<SpanContext> {
    let dashes = [2, 35, 52].iter().all(|at| parent.get(*at) == Some(&b'-'));
    let version = number(parent.get(..2)?)?;
    let ends = match version {
        0 => parent.len() == PARENT_LENGTH,
        _ => matches!(parent.get(PARENT_LENGTH), None | Some(b'-')),
    };
    if !dashes || !ends || version == u128::from(VERSION_INVALID) {
        return None;
    }
    let trace = TraceId::from(number(&parent[3..35])?);
    let span = SpanId::from(u64::try_from(number(&parent[36..52])?).ok()?);
    let flags = TraceFlags::new(u8::try_from(number(parent.get(53..55)?)?).ok()?);
    // A bad state does not spoil the parent (W3C 3.3).
    let state = match state {
        "" => TraceState::NONE,
        state => TraceState::from_str(state).unwrap_or_default(),
    };
    let context = SpanContext::new(trace, span, flags & TraceFlags::SAMPLED, true, state);
    context.is_valid().then_some(context)
}

/// Lower-case hexadecimal digits, as W3C demands them.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

fn format(context: &SpanContext) -> [u8; PARENT_LENGTH] {
    let mut text = [b'-'; PARENT_LENGTH];
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    write(&mut text[0..2], &[0]);
    write(&mut text[3..35], &context.trace_id().to_bytes());
    write(&mut text[36..52], &context.span_id().to_bytes());
    write(&mut text[53..55], &[flags.to_u8()]);
    text
}

fn write(text: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (two, byte) in text.chunks_exact_mut(2).zip(bytes) {
        two[0] = DIGITS[usize::from(byte >> 4)];
        two[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

#[cfg(test)]
mod tests;
