//! The W3C ids of spans in a process that exports none: made when somebody asks for them, which for
//! most spans is once or never. With an exporter the tracer makes the ids instead.

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing::span::Id;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// Keeps spans enabled that no log line may need: with LOG=warn a trace would lose its middle.
pub(crate) struct Ids;

/// What is kept with a span.
struct Known(SpanContext);

impl<S: tracing::Subscriber> Layer<S> for Ids {}

/// The ids of a span; none when nothing records it.
pub(crate) fn of_span(span: &Span) -> Option<SpanContext> {
    in_registry(span, |registry, id| registry.span(id).map(|span| of(&span)))
}

/// Makes `parent` the parent of a span that has no ids yet.
pub(crate) fn adopt(span: &Span, parent: &SpanContext) {
    in_registry(span, |registry, id| {
        let span = registry.span(id)?;
        keep(&span, child(parent));
        Some(())
    });
}

/// The ids of a span: those of before, or new ones below its parent's.
pub(crate) fn of<'s, S: LookupSpan<'s>>(span: &SpanRef<'s, S>) -> SpanContext {
    if let Some(Known(ids)) = span.extensions().get::<Known>() {
        return ids.clone();
    }
    let ids = match span.parent() {
        Some(parent) => child(&of(&parent)),
        None => root(),
    };
    keep(span, ids)
}

/// Keeps these ids unless another thread was faster; returns those that count.
fn keep<'s, S: LookupSpan<'s>>(span: &SpanRef<'s, S>, ids: SpanContext) -> SpanContext {
    let mut extensions = span.extensions_mut();
    if let Some(Known(known)) = extensions.get_mut::<Known>() {
        return known.clone();
    }
    extensions.insert(Known(ids.clone()));
    ids
}

fn root() -> SpanContext {
    let trace = TraceId::from(rand::random_range(1..=u128::MAX));
    ids(trace, TraceFlags::SAMPLED, TraceState::NONE)
}

fn child(parent: &SpanContext) -> SpanContext {
    let state = parent.trace_state().clone();
    ids(parent.trace_id(), parent.trace_flags(), state)
}

fn ids(trace: TraceId, flags: TraceFlags, state: TraceState) -> SpanContext {
    let span = SpanId::from(rand::random_range(1..=u64::MAX));
    SpanContext::new(trace, span, flags, false, state)
}

fn in_registry<T>(span: &Span, ask: impl FnOnce(&Registry, &Id) -> Option<T>) -> Option<T> {
    span.with_subscriber(|(id, dispatch)| ask(dispatch.downcast_ref::<Registry>()?, id))?
}
