//! The metrics of this process: one registry, and constructors that enter it. What is counted, and
//! under which name, stands in the `metrics.rs` of the crate that counts it.

use std::sync::LazyLock;

use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// The registry of the whole process.
pub fn registry() -> &'static Registry {
    &REGISTRY
}

/// All metrics in the text format that Prometheus scrapes.
pub fn render() -> String {
    let mut text = String::new();
    if let Err(error) = TextEncoder::new().encode_utf8(&REGISTRY.gather(), &mut text) {
        tracing::error!(%error, "metrics could not be rendered");
    }
    text
}

/// A registered counter. Panics on an invalid or repeated name: both are mistakes in the source.
pub fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(IntCounterVec::new(Opts::new(name, help), labels))
}

/// A registered gauge. Panics on an invalid or repeated name: both are mistakes in the source.
pub fn gauge(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(IntGaugeVec::new(Opts::new(name, help), labels))
}

/// A registered histogram with its bucket bounds. Panics on an invalid or repeated name: both are
/// mistakes in the source.
pub fn histogram(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
    registered(HistogramVec::new(
        HistogramOpts::new(name, help).buckets(buckets.to_vec()),
        labels,
    ))
}

fn registered<M>(metric: prometheus::Result<M>) -> M
where
    M: Collector + Clone + 'static,
{
    let metric = metric.expect("metric names and labels are constants of the source");
    REGISTRY
        .register(Box::new(metric.clone()))
        .expect("each metric is made once, in a static of its crate");
    metric
}
