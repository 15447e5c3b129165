//! I5: every event leaves its outbox and has its effect once at each consumer.

use std::collections::HashSet;

use crate::Error;
use crate::report::Finding;
use crate::sources::{Database, Databases};

/// Who reads what, as in the table of consumers in `contracts`.
const CONSUMERS: [(&str, &[&str]); 4] = [
    ("product", &["order-events"]),
    ("order", &["product-events", "payment-events"]),
    ("payment", &["order-events"]),
    ("notification", &["order-events", "payment-events"]),
];

/// Every row of every outbox is published.
pub(super) async fn every_event_is_published(databases: &Databases) -> Result<Finding, Error> {
    let mut checked = 0;
    let mut violations: Vec<String> = Vec::new();
    for database in databases.all() {
        checked += database.count("select count(*) from outbox").await?;
        let sql = "select event_type || ' ' || event_id || ' of ' || aggregate_id \
                || ' waits since ' || created_at \
            from outbox where published_at is null order by seq";
        let waiting: Vec<String> = database.column(sql).await?;
        let name = database.name();
        violations.extend(waiting.iter().map(|event| format!("{name}: {event}")));
    }
    let rule = "every event is published";
    Ok(Finding::new("I5", rule, checked, violations))
}

/// Each published event is in the inbox of each consumer of its topic, nothing is parked, and no
/// order changes the stock of a product twice for the same reason.
pub(super) async fn every_event_is_effective_once(databases: &Databases) -> Result<Finding, Error> {
    let mut checked = 0;
    let mut violations = Vec::new();
    for (consumer, topics) in CONSUMERS {
        let database = named(databases, consumer);
        let sql = format!(
            "select event_id::text from inbox where consumer_group = 'ecommerce-group.{consumer}'"
        );
        let received: HashSet<String> = database.column(&sql).await?.into_iter().collect();
        for producer in databases.all() {
            let sql = "select event_id::text, event_type, aggregate_id from outbox \
                where topic = any($1) and published_at is not null order by seq";
            for row in producer.rows(sql, &[&topics]).await? {
                let (id, kind, of): (String, String, String) = (row.get(0), row.get(1), row.get(2));
                checked += 1;
                if !received.contains(&id) {
                    violations.push(format!("{kind} {id} of {of} had no effect at {consumer}"));
                }
            }
        }
        let sql = "select cause || ' ' || coalesce(event_id::text, key) || ' in ' || topic \
                || ': ' || error from parked_event order by id";
        let parked: Vec<String> = database.column(sql).await?;
        violations.extend(
            parked
                .iter()
                .map(|event| format!("{consumer} parked {event}")),
        );
    }
    let sql = "select 'order ' || order_id || ' has ' || count(*) || ' x ' || reason \
            || ' of product ' || product_id \
        from stock_ledger where order_id is not null \
        group by order_id, product_id, reason having count(*) > 1";
    violations.extend(databases.product.column::<String>(sql).await?);
    let rule = "every event had its effect once at each consumer";
    Ok(Finding::new("I5", rule, checked, violations))
}

fn named<'d>(databases: &'d Databases, name: &str) -> &'d Database {
    match name {
        "product" => &databases.product,
        "order" => &databases.order,
        "payment" => &databases.payment,
        _ => &databases.notification,
    }
}
