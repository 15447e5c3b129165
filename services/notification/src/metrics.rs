//! What this service counts, beyond what chassis and mesh count for every service.

use std::sync::LazyLock;

use prometheus::IntCounterVec;

use crate::mailer::Outcome;

static MAILS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    mesh_telemetry::metrics::counter(
        "shop_notification_mails_total",
        "Tries to hand a mail to the mail server, by what is known afterwards.",
        &["outcome"],
    )
});

static REPEATS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    mesh_telemetry::metrics::counter(
        "shop_notification_possible_repeats_total",
        "Mails sent again although an earlier try may have been accepted: same Message-ID.",
        &[],
    )
});

/// Counts one try.
pub(crate) fn count(outcome: &Outcome) {
    let label = match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Permanent { .. } => "refused",
        Outcome::Transient {
            maybe_accepted: false,
            ..
        } => "later",
        Outcome::Transient {
            maybe_accepted: true,
            ..
        } => "unknown",
    };
    MAILS.with_label_values(&[label]).inc();
}

/// Counts one mail that may reach its recipient twice.
pub(crate) fn count_repeat() {
    REPEATS.with_label_values::<&str>(&[]).inc();
}
