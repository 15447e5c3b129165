//! One JSON object per line: time, level, service, target, message, the event's fields, the fields
//! of the spans around it, and the ids of its trace. It does not decide what is logged.

use std::fmt;
use std::fmt::Write as _;

use opentelemetry::trace::TraceContextExt;
use serde::Serializer as _;
use serde::ser::SerializeMap as _;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::ids;

/// The lines of this process.
struct Lines {
    service: String,
}

/// Keeps a span's fields as the members of a JSON object without its braces. Every call has a span
/// and hardly any has a line, so what comes later is appended and nothing is read before a line
/// needs it. The library's own formatter parses and writes all anew for each field.
struct Members;

/// Appends fields to the members.
struct MembersVisitor<'w> {
    writer: Writer<'w>,
    first: bool,
    result: fmt::Result,
}

/// One line: names in the order in which a reader wants them, each once.
#[derive(Default)]
struct Line(Vec<(String, Value)>);

/// The layer that writes the lines to `writer`.
pub(crate) fn layer<S, W>(service: String, writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .fmt_fields(Members)
        .event_format(Lines { service })
        .with_writer(writer)
}

// === impl Lines ===

impl<S> FormatEvent<S, Members> for Lines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Members>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.set("time", time.into());
        line.set("level", event.metadata().level().as_str().into());
        // Its place; the event's fields bring the text.
        line.set("message", "".into());
        line.set("service", self.service.as_str().into());
        line.set("target", event.metadata().target().into());
        if let Some(span) = context.lookup_current() {
            line.set("span", span.name().into());
            add_trace_ids(&span, &mut line);
        }
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<Members>>()
                && let Ok(Value::Object(fields)) =
                    serde_json::from_str(&format!("{{{}}}", fields.fields))
            {
                for (name, value) in fields {
                    line.set(&name, value);
                }
            }
        }
        event.record(&mut line);
        writer.write_str(&line.json().map_err(|_| fmt::Error)?)?;
        writer.write_char('\n')
    }
}

fn add_trace_ids<'s, S: LookupSpan<'s>>(span: &SpanRef<'s, S>, line: &mut Line) {
    let context = tracing::dispatcher::get_default(|dispatch| {
        tracing_opentelemetry::get_otel_context(&span.id(), dispatch)
    });
    let ids = match context {
        Some(context) => context.span().span_context().clone(),
        None => ids::of(span),
    };
    if ids.is_valid() {
        line.set("trace_id", ids.trace_id().to_string().into());
        line.set("span_id", ids.span_id().to_string().into());
    }
}

// === impl Members ===

impl<'w> FormatFields<'w> for Members {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        MembersVisitor::append(writer, true, fields)
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let first = current.fields.is_empty();
        MembersVisitor::append(current.as_writer(), first, fields)
    }
}

// === impl MembersVisitor ===

impl<'w> MembersVisitor<'w> {
    fn append<R: RecordFields>(writer: Writer<'w>, first: bool, fields: R) -> fmt::Result {
        let mut visitor = Self {
            writer,
            first,
            result: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.result
    }

    /// Writes a member whose value `write` writes as JSON. In pieces: the machinery of formatting
    /// would cost a call more than all the rest of its span.
    fn member(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'w>) -> fmt::Result) {
        // Told to the tracer, and the same for every call.
        if matches!(field.name(), "otel.kind" | "rpc.system") {
            return;
        }
        let begin = if self.first { "\"" } else { ",\"" };
        self.first = false;
        // A field's name is one of the language's, with dots: nothing in it needs an escape.
        let written = self
            .writer
            .write_str(begin)
            .and_then(|()| self.writer.write_str(field.name()))
            .and_then(|()| self.writer.write_str("\":"))
            .and_then(|()| write(&mut self.writer));
        self.result = self.result.and(written);
    }
}

impl Visit for MembersVisitor<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| {
            writer.write_str(if value { "true" } else { "false" })
        });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // Not every number of these is one in JSON.
        self.member(field, |writer| write!(writer, "{}", Value::from(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        self.member(field, |writer| {
            if !value.bytes().all(plain) {
                return write!(writer, "{}", Value::from(value));
            }
            writer.write_char('"')?;
            writer.write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

// === impl Line ===

impl Line {
    /// The last value of a name stays, at the place of the first.
    fn set(&mut self, name: &str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        let mut bytes = Vec::new();
        let mut json = serde_json::Serializer::new(&mut bytes);
        let mut map = json.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        // The causes stand in `source`, never in an error's own text.
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.set(field.name(), text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}").into());
    }
}
