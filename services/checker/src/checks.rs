//! The invariants, one file per kind. Each check states its rule in its doc comment and lists what
//! does not follow it, order by order.

mod acknowledged;
mod captures;
mod events;
mod money;
mod settled;
mod stock;
mod versions;

use crate::Error;
use crate::acknowledged::Acknowledged;
use crate::report::Report;
use crate::sources::{Databases, Ledger};

/// Runs every check. I8 and part of I9 look at what clients were told; with nobody's word they
/// look at the stored answers alone.
pub async fn reconcile(
    databases: &Databases,
    ledger: &Ledger,
    told: &[Acknowledged],
) -> Result<Report, Error> {
    Ok(Report {
        findings: vec![
            money::provider_and_book_agree(databases, ledger).await?,
            money::debits_equal_credits(databases).await?,
            money::paid_orders_are_paid_in_full(databases).await?,
            stock::stock_follows_its_ledger(databases).await?,
            stock::reserved_is_what_is_promised(databases).await?,
            stock::orders_and_reservations_agree(databases).await?,
            settled::every_order_is_settled(databases).await?,
            settled::cancelled_never_leaves(databases).await?,
            captures::one_capture_and_none_for_cancelled(databases, ledger).await?,
            events::every_event_is_published(databases).await?,
            events::every_event_is_effective_once(databases).await?,
            versions::effects_are_in_version_order(databases).await?,
            acknowledged::told_orders_exist(databases, told).await?,
            acknowledged::answers_are_true(databases, told).await?,
        ],
    })
}
