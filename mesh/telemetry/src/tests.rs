//! Logs and propagation through the subscriber that processes really install.

#![allow(clippy::unwrap_used)]

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use http::HeaderMap;
use serde_json::Value;

use super::{Error, Settings, subscriber, tracer_provider};
use crate::propagation::{TraceContext, inject, set_parent};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(filter: &str) -> Settings {
    Settings {
        service: "echo".into(),
        filter: filter.into(),
        otlp_endpoint: None,
    }
}

/// The process-wide subscriber of these tests: trace ids in logs need a global one.
static OUTPUT: LazyLock<Output> = LazyLock::new(|| {
    let output = Output::default();
    let made = output.clone();
    let settings = settings("warn,mesh_telemetry=info");
    let provider = tracer_provider(&settings).unwrap();
    let subscriber = subscriber(&settings, provider.as_ref(), move || made.clone()).unwrap();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    output
});

fn line_with(text: &str) -> Value {
    let output = String::from_utf8(OUTPUT.0.lock().unwrap().clone()).unwrap();
    let line = output.lines().find(|line| line.contains(text)).unwrap();
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_log_line_carries_its_fields_its_spans_fields_and_its_trace() {
    LazyLock::force(&OUTPUT);
    let span = tracing::info_span!("grpc.server", peer = "gateway");
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", PARENT.parse().unwrap());
    set_parent(&span, &headers);
    span.in_scope(|| tracing::info!(order = 7, "the order was placed"));

    let line = line_with("the order was placed");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["service"], "echo");
    assert_eq!(line["span"], "grpc.server");
    assert_eq!(line["peer"], "gateway");
    assert_eq!(line["order"], 7);
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
    assert_ne!(line["span_id"], "00f067aa0ba902b7");
}

#[test]
fn a_field_that_a_span_learns_later_is_in_its_lines_whatever_it_holds() {
    LazyLock::force(&OUTPUT);
    let span = tracing::info_span!(
        "grpc.server",
        rpc.grpc.status_code = tracing::field::Empty,
        peer = tracing::field::Empty,
        text = "first",
        share = 0.5,
        open = true,
    );
    span.record("rpc.grpc.status_code", 16);
    span.record("peer", tracing::field::display("a \"b\"\n{c}"));
    span.record("text", "second\\");
    span.in_scope(|| tracing::info!("a span that has learned"));

    let line = line_with("a span that has learned");
    assert_eq!(line["rpc.grpc.status_code"], 16);
    assert_eq!(line["peer"], "a \"b\"\n{c}");
    assert_eq!(line["text"], "second\\");
    assert_eq!(line["share"], 0.5);
    assert_eq!(line["open"], true);
}

#[test]
fn a_span_that_had_no_field_at_first_has_a_good_line() {
    LazyLock::force(&OUTPUT);
    let span = tracing::info_span!("task", kind = tracing::field::Empty);
    span.record("kind", "capture");
    span.in_scope(|| tracing::info!("a span of one late field"));
    assert_eq!(line_with("a span of one late field")["kind"], "capture");
}

#[test]
fn an_error_is_logged_with_its_causes() {
    LazyLock::force(&OUTPUT);
    let source = "a=b=c="
        .parse::<tracing_subscriber::filter::Targets>()
        .unwrap_err();
    let error = Error::Filter {
        filter: "unlikely text".into(),
        source,
    };
    tracing::info!(
        error = &error as &dyn std::error::Error,
        "telemetry did not start"
    );
    let line = line_with("telemetry did not start");
    let text = line["error"].as_str().unwrap();
    assert!(
        text.starts_with("log filter \"unlikely text\" is not valid: "),
        "{text}"
    );
}

#[test]
fn a_stored_context_continues_its_trace() {
    LazyLock::force(&OUTPUT);
    let first = tracing::info_span!("request");
    let stored = TraceContext::of(&first).unwrap();
    let later = tracing::info_span!("task");
    stored.make_parent_of(&later);

    let mut headers = HeaderMap::new();
    inject(&later, &mut headers);
    let continued = headers["traceparent"].to_str().unwrap();
    assert_eq!(
        continued.split('-').nth(1),
        stored.traceparent.split('-').nth(1)
    );
    assert_ne!(continued, stored.traceparent);
}

#[test]
fn a_broken_context_leaves_the_span_a_root() {
    LazyLock::force(&OUTPUT);
    let span = tracing::info_span!("request");
    let broken = TraceContext {
        traceparent: "00-zz-1-01".into(),
        tracestate: String::new(),
    };
    broken.make_parent_of(&span);
    assert!(TraceContext::of(&span).is_some());
}

#[test]
fn a_filter_that_does_not_parse_is_refused() {
    let settings = settings("info,shop=loud");
    let provider = tracer_provider(&settings).unwrap();
    assert!(matches!(
        subscriber(&settings, provider.as_ref(), io::stdout).err(),
        Some(Error::Filter { .. })
    ));
}

#[test]
fn metrics_are_rendered_as_text() {
    let calls = crate::metrics::counter("echo_calls_total", "Calls.", &["peer"]);
    calls.with_label_values(&["gateway"]).inc();
    assert!(crate::metrics::render().contains("echo_calls_total{peer=\"gateway\"} 1"));
}
