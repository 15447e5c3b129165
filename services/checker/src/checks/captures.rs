//! I4: money is taken once, and not for what was cancelled.

use std::collections::BTreeMap;

use crate::Error;
use crate::report::Finding;
use crate::sources::{Authorization, Databases, Ledger};

/// At most one successful capture per order; none for a cancelled order without its refund; and no
/// money of a cancelled order is held for ever.
pub(super) async fn one_capture_and_none_for_cancelled(
    databases: &Databases,
    ledger: &Ledger,
) -> Result<Finding, Error> {
    let mut by_payment: BTreeMap<&str, Vec<&Authorization>> = BTreeMap::new();
    for held in &ledger.authorizations {
        by_payment.entry(&held.reference).or_default().push(held);
    }
    let statuses: BTreeMap<String, String> = databases
        .order
        .rows("select id::text, status from orders", &[])
        .await?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let payments = databases
        .payment
        .rows("select id::text, order_id::text from payment", &[])
        .await?;
    let mut violations = Vec::new();
    for row in &payments {
        let (payment, order): (String, String) = (row.get(0), row.get(1));
        let Some(held) = by_payment.get(payment.as_str()) else {
            continue;
        };
        let captures = held.iter().filter(|held| held.captured_minor > 0).count();
        if captures > 1 {
            violations.push(format!("order {order} was captured {captures} times"));
        }
        if statuses
            .get(&order)
            .is_some_and(|status| status == "CANCELLED")
        {
            violations.extend(held.iter().filter_map(|held| kept(&order, held)));
        }
    }
    let rule = "one capture per order, none kept for a cancelled one";
    Ok(Finding::new("I4", rule, payments.len(), violations))
}

/// What a cancelled order still has at the provider.
fn kept(order: &str, held: &Authorization) -> Option<String> {
    let (id, kept) = (&held.id, held.captured_minor - held.refunded_minor);
    if kept != 0 {
        return Some(format!(
            "order {order} is CANCELLED, authorization {id} keeps {kept}"
        ));
    }
    let open = held.captured_minor == 0 && !held.voided;
    open.then(|| format!("order {order} is CANCELLED, authorization {id} still holds money"))
}
