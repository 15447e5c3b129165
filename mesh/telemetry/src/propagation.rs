//! W3C trace context in and out of HTTP headers, and as two strings for rows and Kafka headers.
//! It knows nothing of what is traced.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The W3C header that names trace and parent span.
pub const TRACEPARENT: &str = "traceparent";
/// The W3C header with vendors' additions.
pub const TRACESTATE: &str = "tracestate";

/// The W3C context of a span as text, to be stored beside what it caused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// Trace id, span id and flags.
    pub traceparent: String,
    /// Vendors' additions; often empty.
    pub tracestate: String,
}

struct Headers<'h>(&'h HeaderMap);
struct HeadersMut<'h>(&'h mut HeaderMap);

/// Makes the caller's span, as named in `headers`, the parent of `span`. Must come before the span
/// is entered or logged in; headers without a valid context leave it a root.
pub fn set_parent(span: &Span, headers: &HeaderMap) {
    adopt(span, &Headers(headers));
}

/// Writes the context of `span` into `headers`; replaces what they carried.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
    TraceContextPropagator::new().inject_context(&span.context(), &mut HeadersMut(headers));
}

// === impl TraceContext ===

impl TraceContext {
    /// The context of `span`; none when nothing records it.
    pub fn of(span: &Span) -> Option<Self> {
        let context = span.context();
        if !context.span().span_context().is_valid() {
            return None;
        }
        let mut text = Self::default();
        TraceContextPropagator::new().inject_context(&context, &mut text);
        Some(text)
    }

    /// Makes the stored span the parent of `span`. Must come before the span is entered.
    pub fn make_parent_of(&self, span: &Span) {
        adopt(span, self);
    }
}

impl Extractor for TraceContext {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => Some(&self.traceparent),
            TRACESTATE => Some(&self.tracestate),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

impl Injector for TraceContext {
    fn set(&mut self, key: &str, value: String) {
        match key {
            TRACEPARENT => self.traceparent = value,
            TRACESTATE => self.tracestate = value,
            _ => {}
        }
    }
}

// === impl Headers ===

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The propagator writes two constant names; an empty tracestate is not worth a header.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}

fn adopt(span: &Span, carrier: &dyn Extractor) {
    let parent = TraceContextPropagator::new().extract(carrier);
    if !parent.span().span_context().is_valid() {
        return;
    }
    if let Err(error) = span.set_parent(parent) {
        tracing::debug!(%error, "span could not be joined to its trace");
    }
}
