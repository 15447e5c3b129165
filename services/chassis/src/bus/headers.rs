//! The headers of a record: trace context and the event's type, for those who do not parse bodies.

use mesh_telemetry::propagation::TraceContext;
use serde::{Deserialize, Serialize};

/// Names the event's type without its body.
pub(crate) const EVENT_TYPE: &str = "event-type";

/// The headers of an event's record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    /// The span that published it, as W3C text; empty when there was none.
    pub traceparent: String,
    /// Vendors' additions to it.
    pub tracestate: String,
    /// The event's type.
    pub event_type: String,
}

// === impl Headers ===

impl Headers {
    /// The span that published the event.
    pub fn trace(&self) -> TraceContext {
        TraceContext {
            traceparent: self.traceparent.clone(),
            tracestate: self.tracestate.clone(),
        }
    }
}
