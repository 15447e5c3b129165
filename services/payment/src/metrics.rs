//! What this service counts, beyond what chassis and mesh count for every service.

use std::sync::LazyLock;

use prometheus::IntCounterVec;

static REFUSED_REVERSALS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    mesh_telemetry::metrics::counter(
        "shop_payment_reversals_refused_total",
        "Times the provider refused for good to give back what an undone order paid: see to it.",
        &[],
    )
});

/// Counts one refusal. The reversal is asked for again and again, so it keeps growing.
pub(crate) fn reversal_refused() {
    REFUSED_REVERSALS.with_label_values::<&str>(&[]).inc();
}
