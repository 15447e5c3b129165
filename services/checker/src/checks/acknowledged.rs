//! I8 and I9: what clients were told is there, and is true.

use std::collections::{BTreeMap, HashSet};

use crate::Error;
use crate::acknowledged::Acknowledged;
use crate::report::Finding;
use crate::sources::Databases;
use prost::Message;
use shop_proto::order::v1::Order;

/// I8: every order that a client saw answered with success exists.
pub(super) async fn told_orders_exist(
    databases: &Databases,
    told: &[Acknowledged],
) -> Result<Finding, Error> {
    let ids: Vec<String> = databases
        .order
        .column("select id::text from orders")
        .await?;
    let ids: HashSet<String> = ids.into_iter().collect();
    let lost = told.iter().filter(|told| !ids.contains(&told.order));
    let violations = lost
        .map(|told| format!("order {} was acknowledged and does not exist", told.order))
        .collect();
    let rule = "acknowledged orders exist";
    Ok(Finding::new("I8", rule, told.len(), violations))
}

/// I9: an error is never a false success. The stored answer of each key names an order of that
/// customer, and no order answers two keys; a status that a client was shown is in the history.
pub(super) async fn answers_are_true(
    databases: &Databases,
    told: &[Acknowledged],
) -> Result<Finding, Error> {
    let owners: BTreeMap<String, String> = databases
        .order
        .rows("select id::text, customer_id from orders", &[])
        .await?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let sql = "select scope, key, answer from idempotency \
        where method like '%/CreateOrder' and answer is not null";
    let answers = databases.order.rows(sql, &[]).await?;
    let mut violations = Vec::new();
    let mut named = HashSet::new();
    for row in &answers {
        let (scope, key, answer): (String, String, Vec<u8>) = (row.get(0), row.get(1), row.get(2));
        let order = Order::decode(answer.as_slice()).ok();
        let order = order.and_then(|order| owners.get_key_value(&order.id));
        if order.is_none_or(|(_, owner)| scope != format!("user:{owner}")) {
            violations.push(format!(
                "key \"{key}\" of {scope} is answered with no order of theirs"
            ));
        } else if order.is_some_and(|(id, _)| !named.insert(id)) {
            violations.push(format!(
                "key \"{key}\" of {scope} shares its order with another key"
            ));
        }
    }
    let sql = "select order_id::text, to_status from order_transition";
    let shown: HashSet<(String, String)> = databases
        .order
        .rows(sql, &[])
        .await?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    for Acknowledged { order, status } in told {
        let Some(status) = status else { continue };
        // An order that is not there at all is I8's matter.
        if owners.contains_key(order) && !shown.contains(&(order.clone(), status.clone())) {
            violations.push(format!("order {order} was shown as {status} and never was"));
        }
    }
    let rule = "no false success: answers and shown statuses are true";
    let checked = answers.len() + told.len();
    Ok(Finding::new("I9", rule, checked, violations))
}
