//! I2: what is on the shelf, what is promised, and to whom.

use std::collections::BTreeMap;

use crate::Error;
use crate::report::Finding;
use crate::sources::{Database, Databases};

/// initial + adjusted + returned − committed = on hand, and the same for reserved; each version of
/// a stock row is one ledger row; 0 ≤ reserved ≤ on hand.
pub(super) async fn stock_follows_its_ledger(databases: &Databases) -> Result<Finding, Error> {
    let sql = "select 'product ' || s.product_id || ': on hand ' || s.on_hand || ' (ledger ' \
            || coalesce(l.on_hand, 0) || '), reserved ' || s.reserved || ' (ledger ' \
            || coalesce(l.reserved, 0) || '), version ' || s.version || ' (' \
            || coalesce(l.changes, 0) || ' changes)' \
        from stock s left join (select product_id, sum(on_hand_delta) as on_hand, \
            sum(reserved_delta) as reserved, count(*) as changes from stock_ledger \
            group by product_id) l using (product_id) \
        where (s.on_hand, s.reserved, s.version) \
                is distinct from (l.on_hand, l.reserved, l.changes) \
            or s.reserved < 0 or s.reserved > s.on_hand order by s.product_id";
    let rule = "on hand and reserved are the sums of their ledger";
    of_product(&databases.product, rule, sql).await
}

/// reserved = units of HELD and CONFIRMED reservations; what left the shelf and did not come back
/// = units of COMMITTED ones.
pub(super) async fn reserved_is_what_is_promised(databases: &Databases) -> Result<Finding, Error> {
    let sql = "select 'product ' || s.product_id || ': reserved ' || s.reserved || ' (promised ' \
            || coalesce(r.promised, 0) || '), gone ' || coalesce(l.gone, 0) || ' (committed ' \
            || coalesce(r.committed, 0) || ')' \
        from stock s left join (select product_id, \
            coalesce(sum(quantity) filter (where state in ('HELD', 'CONFIRMED')), 0) as promised, \
            coalesce(sum(quantity) filter (where state = 'COMMITTED'), 0) as committed \
            from reservation_line join reservation using (order_id) group by product_id) r \
            using (product_id) \
        left join (select product_id, -sum(on_hand_delta) as gone from stock_ledger \
            where reason in ('COMMITTED', 'RETURNED') group by product_id) l using (product_id) \
        where (s.reserved, coalesce(l.gone, 0)) \
            is distinct from (coalesce(r.promised, 0), coalesce(r.committed, 0)) \
        order by s.product_id";
    let rule = "reserved and sold units have a reservation";
    of_product(&databases.product, rule, sql).await
}

/// A PAID order has its units COMMITTED, line by line; a CANCELLED one holds none.
pub(super) async fn orders_and_reservations_agree(databases: &Databases) -> Result<Finding, Error> {
    let ordered = lines(
        &databases.order,
        "select order_id::text, product_id::text, quantity from order_line",
    )
    .await?;
    let sql = "select order_id::text, product_id::text, quantity from reservation_line";
    let promised = lines(&databases.product, sql).await?;
    let states: BTreeMap<String, String> = databases
        .product
        .rows("select order_id::text, state from reservation", &[])
        .await?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let sql = "select id::text, status from orders where status in ('PAID', 'CANCELLED')";
    let orders = databases.order.rows(sql, &[]).await?;
    let mut violations = Vec::new();
    for row in &orders {
        let (id, status): (String, String) = (row.get(0), row.get(1));
        let state = states.get(&id).map_or("missing", String::as_str);
        let fits = match status.as_str() {
            "PAID" => state == "COMMITTED" && ordered.get(&id) == promised.get(&id),
            _ => matches!(state, "RELEASED" | "REJECTED" | "missing"),
        };
        if !fits {
            violations.push(format!(
                "order {id} is {status}, its reservation is {state} with lines {:?} for {:?}",
                promised.get(&id).unwrap_or(&BTreeMap::new()),
                ordered.get(&id).unwrap_or(&BTreeMap::new()),
            ));
        }
    }
    let rule = "paid orders have their units, cancelled ones none";
    Ok(Finding::new("I2", rule, orders.len(), violations))
}

async fn of_product(product: &Database, rule: &'static str, sql: &str) -> Result<Finding, Error> {
    let checked = product.count("select count(*) from stock").await?;
    let violations = product.column(sql).await?;
    Ok(Finding::new("I2", rule, checked, violations))
}

async fn lines(
    database: &Database,
    sql: &str,
) -> Result<BTreeMap<String, BTreeMap<String, i32>>, Error> {
    let mut lines: BTreeMap<String, BTreeMap<String, i32>> = BTreeMap::new();
    for row in database.rows(sql, &[]).await? {
        let of_order = lines.entry(row.get(0)).or_default();
        of_order.insert(row.get(1), row.get(2));
    }
    Ok(lines)
}
