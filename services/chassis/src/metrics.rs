//! The metrics of the chassis: their names, and what is counted.

use std::sync::LazyLock;
use std::time::Duration;

use mesh_telemetry::metrics::{counter, gauge, histogram};
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use crate::inbox::Delivered;
use crate::tasks::Next;

/// From a row that is there to a provider that takes its time.
const SECONDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

static OUTBOX_BACKLOG: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "shop_outbox_backlog_events",
        "Events that wait for the relay.",
        &[],
    )
});
static OUTBOX_AGE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "shop_outbox_oldest_seconds",
        "Age of the oldest event that waits for the relay.",
        &[],
    )
});
static OUTBOX_PUBLISHED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "shop_outbox_published_total",
        "Events handed to the broker.",
        &["topic"],
    )
});
static EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "shop_events_consumed_total",
        "Events by what became of them.",
        &["topic", "result"],
    )
});
static EVENT_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "shop_event_duration_seconds",
        "Time to apply an event.",
        &["topic"],
        &SECONDS,
    )
});
static SHED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "shop_calls_shed_total",
        "Calls of the edge that were refused because there was too much to do.",
        &[],
    )
});
static TASKS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "shop_tasks_total",
        "Attempts at tasks by how they ended.",
        &["kind", "result"],
    )
});
static TASK_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram(
        "shop_task_duration_seconds",
        "Time of one attempt.",
        &["kind"],
        &SECONDS,
    )
});

static LEASES_OVERTAKEN: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter(
        "shop_leases_overtaken_total",
        "Tasks taken from an owner that let its lease run out: it died, or stood still.",
        &["kind"],
    )
});

pub(crate) fn lease_overtaken(kind: &str) {
    LEASES_OVERTAKEN.with_label_values(&[kind]).inc();
}

pub(crate) fn outbox_waits(events: i64, oldest_seconds: i64) {
    OUTBOX_BACKLOG.with_label_values::<&str>(&[]).set(events);
    OUTBOX_AGE
        .with_label_values::<&str>(&[])
        .set(oldest_seconds);
}

pub(crate) fn published(topic: &str) {
    OUTBOX_PUBLISHED.with_label_values(&[topic]).inc();
}

pub(crate) fn consumed(topic: &str, delivered: Delivered, took: Duration) {
    let result = match delivered {
        Delivered::Applied => "applied",
        Delivered::Ignored => "ignored",
        Delivered::Duplicate => "duplicate",
        Delivered::Older => "older",
        Delivered::Gap => "gap",
        Delivered::Behind => "behind",
    };
    EVENTS.with_label_values(&[topic, result]).inc();
    EVENT_SECONDS
        .with_label_values(&[topic])
        .observe(took.as_secs_f64());
}

pub(crate) fn event_retried(topic: &str) {
    EVENTS.with_label_values(&[topic, "retried"]).inc();
}

pub(crate) fn event_parked(topic: &str) {
    EVENTS.with_label_values(&[topic, "poison"]).inc();
}

pub(crate) fn call_shed() {
    SHED.with_label_values::<&str>(&[]).inc();
}

pub(crate) fn task_ran(kind: &str, next: &Next, took: Duration) {
    let result = match next {
        Next::Done | Next::Finished => "done",
        Next::Again(_) => "again",
        Next::Retry { .. } => "retry",
        Next::GiveUp(_) => "dead",
    };
    TASKS.with_label_values(&[kind, result]).inc();
    TASK_SECONDS
        .with_label_values(&[kind])
        .observe(took.as_secs_f64());
}
