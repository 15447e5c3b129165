//! I1: the provider's money, our book and the orders say the same.

use std::collections::BTreeMap;

use crate::Error;
use crate::report::Finding;
use crate::sources::{Databases, Ledger};

/// Per payment: captured − refunded at the provider = what our book has on the account PROVIDER =
/// captured − returned in the payment's row. Money of a payment that we do not know is a violation.
pub(super) async fn provider_and_book_agree(
    databases: &Databases,
    ledger: &Ledger,
) -> Result<Finding, Error> {
    let mut provider: BTreeMap<String, i64> = BTreeMap::new();
    for held in &ledger.authorizations {
        *provider.entry(held.reference.clone()).or_default() +=
            held.captured_minor - held.refunded_minor;
    }
    let sql = "select id::text, order_id::text, captured_minor - returned_minor, coalesce((select \
            sum(amount_minor) from ledger_entry where payment_id = payment.id \
            and account = 'PROVIDER'), 0)::bigint from payment";
    let rows = databases.payment.rows(sql, &[]).await?;
    let mut violations = Vec::new();
    for row in &rows {
        let (id, order): (String, String) = (row.get(0), row.get(1));
        let (known, booked): (i64, i64) = (row.get(2), row.get(3));
        let there = provider.remove(&id).unwrap_or_default();
        if (there, known) != (booked, booked) {
            violations.push(format!(
                "payment {id} of order {order}: {there} at the provider, {booked} in the book, \
                 {known} in its row"
            ));
        }
    }
    let unknown = provider.into_iter().filter(|(_, money)| *money != 0);
    violations.extend(unknown.map(|(reference, money)| {
        format!("{money} at the provider for \"{reference}\", which is no payment of ours")
    }));
    let rule = "provider, book and payments have the same money";
    Ok(Finding::new("I1", rule, rows.len(), violations))
}

/// The rows of each transaction of the book add up to zero in each currency.
pub(super) async fn debits_equal_credits(databases: &Databases) -> Result<Finding, Error> {
    let sql = "select transaction_id::text, currency, sum(amount_minor)::bigint from ledger_entry \
        group by transaction_id, currency";
    let rows = databases.payment.rows(sql, &[]).await?;
    let mut violations = Vec::new();
    for row in &rows {
        let (id, currency, sum): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        if sum != 0 {
            violations.push(format!(
                "ledger transaction {id}: {sum} {currency} too much"
            ));
        }
    }
    let rule = "debits equal credits";
    Ok(Finding::new("I1", rule, rows.len(), violations))
}

/// The payment of a PAID order captured exactly the order's total, in its currency.
pub(super) async fn paid_orders_are_paid_in_full(databases: &Databases) -> Result<Finding, Error> {
    let sql =
        "select order_id::text, captured_minor, currency from payment where currency is not null";
    let payments: BTreeMap<String, (i64, String)> = databases
        .payment
        .rows(sql, &[])
        .await?
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect();
    let sql = "select id::text, total_minor, currency from orders where status = 'PAID'";
    let orders = databases.order.rows(sql, &[]).await?;
    let mut violations = Vec::new();
    for row in &orders {
        let (id, total, currency): (String, i64, String) = (row.get(0), row.get(1), row.get(2));
        match payments.get(&id) {
            Some(paid) if *paid == (total, currency.clone()) => {}
            Some((paid, other)) => violations.push(format!(
                "order {id} is PAID: total {total} {currency}, captured {paid} {other}"
            )),
            None => violations.push(format!("order {id} is PAID and has no payment")),
        }
    }
    let rule = "paid orders are paid in full";
    Ok(Finding::new("I1", rule, orders.len(), violations))
}
